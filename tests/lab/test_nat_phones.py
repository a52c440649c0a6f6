"""baresip and Linphone wherever they are, with user agents wherever those are: both hear each other.

A phone has its account and no more: the relays are found under turn:DOMAIN, and the account's name and password open
them. Not here: phones without UDP (Linphone's requests within a call leave over UDP all the same), and baresip behind a
NAT with somebody else behind one (it gives its relay up when that refuses to bind a channel to a private address).

What a phone cannot do at all stands in CANNOT with its reason, and the last test shows that it is no different with
Kamailio and coturn in our place.
"""
import time

import pytest

import phones
from lab import stun, tone
from lab.ca import CertificateAuthority
from lab.capture import Capture
from lab.coturn import Coturn
from lab.dns import NameServer, Target, Zone
from lab.kamailio import Kamailio
from lab.nat import Nat
from lab.world import STATE, Failure, World, wait_for
from natworld import DOMAIN, NatWorld
from test_nat_matrix import KINDS, TALK, is_direct, place

pytestmark = [pytest.mark.world, pytest.mark.causeway]

PROGRAMS = ("baresip", "linphone")
LEAST_SHARE = 0.8
CANNOT = {
    "baresip": {
        "no UDP": "it asks relays over UDP only",
        "no ICE": "it offers its relayed address, and does not use it with who answers without ICE",
    },
    "linphone": {
        "no ICE": "it offers its relayed address, and sends from its own to who answers without ICE",
    },
}


NATED = ("preserving", "symmetric", "blocked")


def what_it_cannot(program: str, kind: str, other: str) -> str:
    """The reason, or nothing."""
    cannot = CANNOT[program]
    if program == "baresip" and kind in NATED and other in NATED:
        return "see above"
    return cannot["no ICE"] if other == "no-ice" and kind != "no-ice" else ""


def put_phone(here: NatWorld, program: str, kind: str) -> phones.Phone:
    host = here.host("phone", "public" if kind == "no-ice" else kind)
    return here.phone(program, host, media="plain" if kind == "no-ice" else "ice")


def call(caller, callee, domain: str = DOMAIN, seconds: float = 10) -> float:
    """They have heard each other for a while when it returns, and still talk; since when they did."""
    for talker in (caller, callee):
        talker.clear_recordings()
        talker.forget_events()
    caller.dial(f"sip:{callee.name}@{domain}")
    for talker in (caller, callee):
        talker.wait_established(15)
    wait_for(lambda: min(caller.heard_seconds(), callee.heard_seconds()) > TALK, seconds, "both to hear something", came=lambda:
             f"{caller.heard_seconds():.1f} s at {caller.name}, {callee.heard_seconds():.1f} s at {callee.name}")
    since = time.time()
    time.sleep(0.5)
    return since


def end(caller, callee) -> None:
    caller.hang_up()
    for talker in (caller, callee):
        talker.wait_closed()


def expect_tones(caller, callee) -> None:
    for listener, speaker in ((caller, callee), (callee, caller)):
        share = tone.share(listener.heard(), speaker.frequency)[0]
        if share < LEAST_SHARE:
            raise Failure(f"expected {listener.name} to hear {speaker.frequency} Hz of {speaker.name}; it was {share:.2f} "
                          f"of {listener.heard_seconds():.1f} s")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "blocked"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_phone_and_user_agents(program, kind):
    """A phone of this kind calls a user agent of each, and each calls it."""
    others = [other for other in KINDS if not what_it_cannot(program, kind, other)]
    here = NatWorld(users={"phone": "phone"})
    phone = put_phone(here, program, kind)
    failed = []
    for other in others:
        ua = place(here, f"ua-{other}", other)
        for caller, callee in ((phone, ua), (ua, phone)):
            try:
                since = call(caller, callee)
                hops = here.hops(since)
                end(caller, callee)
                expect_tones(caller, callee)
                # Which of the ways that there are a foreign phone takes is its own choice.
                assert is_direct(kind, other) or frozenset(("phone", ua.name)) not in hops, f"it went {hops}"
            except (Failure, AssertionError) as failure:
                failed.append(f"{caller.name} ({kind if caller is phone else other}) calls {callee.name}: {failure}")
    assert not failed, "\n\n".join(failed)


class Elsewhere:
    """Kamailio and coturn for the same phones."""

    domain = "example.com"

    def __init__(self):
        self.world = World()
        self.capture = Capture()
        self.ca = CertificateAuthority(STATE / "ca")
        server, relay = self.world.host("sip", 10), self.world.host("relay", 41)
        self.dns = NameServer(self.world, [Zone(self.domain).sip([Target(server.address)])
                                           .turn([Target(relay.address)], ("udp", "tcp"))])
        users = {"caller": "caller", "callee": "callee"}
        self.kamailio = Kamailio(self.world, "sip", 10, self.domain, users, self.ca)
        self.coturn = Coturn(self.world, "relay", 41, self.domain, users)
        for part in (self.dns, self.kamailio, self.coturn, self.capture):
            part.wait_ready()

    def phone(self, program: str, name: str, kind: str, **more) -> phones.Phone:
        number = {"caller": 61, "callee": 62}[name]
        host = self.world.host(name, number) if kind == "public" else Nat(
            self.world, f"nat-{name}", number, udp=kind != "blocked").host(name)
        return phones.make(self.world, program, host, self.domain, self.kamailio.host.address, self.ca, 400 + number, **more)


@pytest.mark.parametrize("program,cell", [(program, cell) for program, cells in CANNOT.items() for cell in cells])
def test_it_is_no_different_with_kamailio_and_coturn(program, cell):
    here = Elsewhere()
    start = time.time()
    if cell == "no UDP":
        caller, callee = here.phone(program, "caller", "blocked", transport="tcp"), here.phone("baresip", "callee", "public")
    else:
        caller, callee = here.phone(program, "caller", "public"), here.phone("baresip", "callee", "public", media="turn")
    with pytest.raises(Failure, match="to hear something|to be established"):
        call(caller, callee, here.domain, seconds=6)
    asked = stun.refusals(here.capture.since(start)).get(("Allocate", 401), 0)
    assert (asked == 0) == (cell == "no UDP")
