"""Kamailio and coturn in our place, for the same phones in the same places."""
from typing import Mapping

from lab.coturn import Coturn
from lab.dns import NameServer, Target, Zone
from lab.kamailio import Kamailio
from lab.ua import UserAgent
from lab.world import Host

import phones
from natworld import RELAYS, Places


class Elsewhere(Places):
    """Everything is up when the constructor returns."""

    domain = "example.com"

    def __init__(self, users: Mapping):
        """`users`: names with passwords."""
        super().__init__()
        server = self.world.host("sip", 10)
        numbers = {name: number for name, (number, _) in RELAYS.items()}
        self.dns = NameServer(self.world, [Zone(self.domain).sip([Target(server.address)])
                                           .turn([Target(self.world.host(name, number).address) for name, number in numbers.items()],
                                                 ("udp", "tcp"))])
        self.kamailio = Kamailio(self.world, "sip", 10, self.domain, users, self.ca)
        self.relays = [Coturn(self.world, name, number, self.domain, users) for name, number in numbers.items()]
        for part in (self.dns, self.kamailio, *self.relays, self.capture):
            part.wait_ready()

    def phone(self, program: str, host: Host, **more) -> phones.Phone:
        """One registered as the user that the host is called (phones.make)."""
        return phones.make(self.world, program, host, self.domain, self.kamailio.host.address, self.ca, self.next_tone(), **more)

    def user_agent(self, host: Host, *arguments: str) -> UserAgent:
        """The same on a phone's line; it answers calls."""
        ua = UserAgent.phone(host, f"{host.name}@{self.domain}", f"udp:{self.kamailio.host.address}:5060", self.next_tone(),
                             "--answer", "0", *arguments, password=host.name)
        ua.wait_registered()
        return ua
