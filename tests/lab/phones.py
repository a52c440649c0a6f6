"""Other people's phones, each with an account and no more: relays are found in the DNS, under turn:DOMAIN."""
from typing import Union

from lab.baresip import Baresip
from lab.ca import CertificateAuthority
from lab.linphone import Linphone
from lab.world import Host, World

Phone = Union[Baresip, Linphone]


def make(world: World, program: str, host: Host, domain: str, through: str, ca: CertificateAuthority, frequency: int,
         media: str = "ice", transport: str = "udp") -> Phone:
    """baresip or linphone, registered as the user that the host is called (also its password); it answers calls.

    `media`: "ice" with relays; of baresip also "turn", by its relay and without ICE; "plain". `transport` of SIP.
    """
    name = host.name
    address = f"{name}@{domain}"
    if program == "linphone":
        phone: Phone = Linphone(world, name, 0, address, name, frequency, through, transport, media == "ice")
    else:
        relay = "" if media == "plain" else f";medianat={media};stunserver=turn:{domain};stunuser={name};stunpass={name}"
        phone = Baresip(world, name, 0, address, name, frequency, f"sip:{through};transport={transport}", ca.certificate, relay)
        phone.connect()
    phone.wait_registered()
    return phone
