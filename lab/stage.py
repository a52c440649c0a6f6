"""The cast of the demo: five peers of p2psip.org and three relays, two conventional domains, and a capture.

alice and bob are user agents, members of the overlay behind two different symmetric NATs, and each reaches other
relays. dave and erin are phones of p2psip.org, carol one of example.com.
"""
from pathlib import Path
from typing import Sequence

from lab import capture, causeway, ua
from lab.baresip import Baresip
from lab.ca import CertificateAuthority
from lab.dns import NameServer, Target, Zone
from lab.figures import Figure
from lab.kamailio import Kamailio
from lab.nat import SYMMETRIC, Nat
from lab.ua import UserAgent
from lab.world import NAME_SERVER, STATE, World

DOMAIN = "p2psip.org"
# name: (last byte of the address, roles)
PEERS = {
    "peer-a": (30, "registrar"),
    "peer-b": (31, "registrar"),
    "peer-c": (32, "registrar"),
    "peer-d": (33, "registrar,proxy"),
    "peer-e": (34, "registrar,proxy"),
}
# Peers too; their only role is to relay.
RELAYS = {f"relay-{number}": (40 + number, "relay") for number in (1, 2, 3)}
PASSWORDS = {name: f"pw-{name}" for name in ("alice", "carol", "dave", "erin")}
# name: (last byte of the NAT's address, the peers through which the user agent is reached, the relays it reaches)
MEMBERS = {
    "alice": (61, ("peer-a", "peer-b"), ("relay-1",)),
    "bob": (62, ("peer-c", "peer-e"), ("relay-2", "relay-3")),
}
# Dave's phone keeps a connection to his peer. His peer knows the phone by it, and lets it register elsewhere
# without a password; over UDP it would ask, and baresip cannot answer two who ask (407, then 401).
TRANSPORTS = {"dave": "tcp"}
ONE_TONE, OTHER_TONE = 440, 880  # Hz


def label(name: str) -> str:
    """How a host is called in diagrams and reports: peer-a is "peer A", relay-1 "relay 1"."""
    return f"peer {name[5:].upper()}" if name.startswith("peer-") else name.replace("relay-", "relay ")


class Stage:
    """Everything is up, joined and registered when the constructor returns.

    `relayed_seconds`: for how long media are relayed, beside the other scenes. `regions`: alice and bob reach some
    of the relays only, so that media crosses one of each, as the draft draws it. `patience`: for how long the
    conventional servers wait for one that is silent.
    """

    def __init__(self, relayed_seconds: float = 60, regions: bool = True, patience: float = 2):
        self.regions = regions
        self.relayed_seconds = relayed_seconds
        self.begun: dict = {}  # what runs already, by the scene's ID
        self.world = World()
        self._make_hosts()
        self.capture = capture.Capture()
        self.ca = CertificateAuthority(STATE / "ca")
        self.dns = self._start_dns()
        self.example_com = Kamailio(self.world, "sip.example.com", 10, "example.com",
                                    {"carol": PASSWORDS["carol"]}, self.ca, patience=patience)
        self.example_org = Kamailio(self.world, "sip.example.org", 20, "example.org",
                                    {user: PASSWORDS[user] for user in ("alice", "dave")}, self.ca, patience=patience)
        self.overlay = causeway.build(self.world, DOMAIN, {**PEERS, **RELAYS},
                                      {user: PASSWORDS[user] for user in ("dave", "erin")}, self.ca)
        for server in (self.dns, self.example_com, self.example_org, self.overlay, self.capture):
            server.wait_ready()
        self.alice = self._user_agent("alice", ONE_TONE)
        self.bob = self._user_agent("bob", OTHER_TONE)
        self.carol = self._phone("carol", 103, "example.com", OTHER_TONE, "sip.example.com")
        self.dave = self._phone("dave", 104, DOMAIN, ONE_TONE, "peer-a")
        self.erin = self._phone("erin", 105, DOMAIN, OTHER_TONE, "peer-b")
        for phone in self.phones:
            phone.connect()
        for talker in self.phones + [self.alice, self.bob]:
            talker.wait_registered()

    @property
    def phones(self) -> list:
        return [self.carol, self.dave, self.erin]

    def account(self, address: str, through: str) -> str:
        """A line for baresip: the address, proved with its user's password, through that host's server."""
        user = address.partition("@")[0]
        return Baresip.account_line(address, PASSWORDS[user], self.server(user, through))

    def server(self, user: str, name: str) -> str:
        """The URI by which that user's phone reaches its server."""
        return f"sip:{self.world.hosts[name].address};transport={TRANSPORTS.get(user, 'udp')}"

    def columns(self, names: Sequence[str]) -> list:
        """For a diagram: what is drawn from left to right."""
        return [(label(name), [self.address(name)]) for name in names]

    def address(self, name: str) -> str:
        """Where that host is, seen from the switch: of one behind a NAT, the NAT's."""
        return self.nats[name].address if name in self.nats else self.world.hosts[name].address

    def name_of(self, address: str) -> str:
        """The reverse of address()."""
        name = self.world.name_of(address)
        return next((inside for inside, nat in self.nats.items() if nat.router.name == name), name)

    def messages(self, since: float, packets: list) -> list:
        """All SIP since then: in the packets, the capture of that time, and inside the links of peers and members."""
        return capture.messages(packets) + self.overlay.trace(since, packets)

    def figure(self, number: int) -> Figure:
        """One of the draft's figures, with the hosts that play its parts."""
        roles = {"alice": ["alice"], "bob": ["bob"], "carol": ["carol"], "overlay": PEERS, "relay": RELAYS,
                 "proxy": ["sip.example.com"], "provider": ["sip.example.org"]}
        return Figure(number, {role: [self.address(name) for name in names] for role, names in roles.items()})

    def password_file(self, user: str) -> Path:
        return ua.password_file(user, PASSWORDS[user])

    def restore(self) -> None:
        """After a scene, whatever happened in it: no calls, all peers up, phones as they were made."""
        for phone in self.phones:
            phone.end_calls()
        self.overlay.restore()
        for phone in self.phones:
            phone.reset_accounts()

    def _make_hosts(self) -> None:
        for name, number in (("dns", int(NAME_SERVER.rpartition(".")[2])), ("sip.example.com", 10),
                             ("sip.example.org", 20), ("carol", 103), ("dave", 104), ("erin", 105)):
            self.world.host(name, number)
        for name, (number, _) in {**PEERS, **RELAYS}.items():
            self.world.host(name, number)
        self.nats = {name: Nat(self.world, f"nat-{name}", number, SYMMETRIC) for name, (number, _, _) in MEMBERS.items()}

    def _start_dns(self) -> NameServer:
        hosts = self.world.hosts
        # The second proxy peer is for when the first one does not answer.
        proxies = [Target(hosts["peer-d"].address, priority=10), Target(hosts["peer-e"].address, priority=20)]
        return NameServer(self.world, [
            Zone("example.com").sip([Target(hosts["sip.example.com"].address)]),
            Zone("example.org").sip([Target(hosts["sip.example.org"].address)]),
            Zone(DOMAIN).sip(proxies).turn([Target(hosts[name].address) for name in RELAYS]),
        ])

    def _user_agent(self, name: str, frequency: int) -> UserAgent:
        """A member with a user's credential. Relays are all that it uses, so that nobody learns where it is."""
        _, peers, relays = MEMBERS[name]
        host = self.nats[name].host(name)
        if self.regions:
            self.nats[name].block(*(self.address(relay) for relay in RELAYS if relay not in relays))
        bundle = self.overlay.authority.issue_user(name, [self.overlay[peer].overlay_address for peer in peers])
        return UserAgent.member(host, name, bundle, frequency, "--relay-only", "--answer", "0")

    def _phone(self, name: str, number: int, domain: str, frequency: int, through: str) -> Baresip:
        return Baresip(self.world, name, number, f"{name}@{domain}", PASSWORDS[name], frequency,
                       self.server(name, through), self.ca.certificate)
