"""Phones of several makers register at peers and call each other; the outside is reached in every transport."""
import itertools
import time

import pytest

from domain import DOMAIN, USERS, Domain
from lab import capture, checks, sipp, tone
from lab.baresip import Baresip
from lab.linphone import Linphone
from lab.world import wait_for

pytestmark = [pytest.mark.world, pytest.mark.causeway]


def baresip(here: Domain, user: str, number: int, frequency: int, peer: str, transport: str = "udp") -> Baresip:
    phone = Baresip(here.world, user, number, f"{user}@{DOMAIN}", USERS[user], frequency,
                    f"sip:{here.address(peer)};transport={transport}", here.ca.certificate)
    phone.connect()
    phone.wait_registered()
    return phone


def carol(here: Domain) -> Baresip:
    phone = Baresip(here.world, "carol", 103, "carol@example.com", "pw-carol", 880, "sip:198.51.100.10",
                    here.ca.certificate)
    phone.connect()
    phone.wait_registered()
    return phone


def expect_tones(one, other, least: float = 0.8) -> None:
    wait_for(lambda: min(one.heard_seconds(), other.heard_seconds()) > 1.2, 10, "sound at both phones",
             came=lambda: f"{one.heard_seconds():.1f} s and {other.heard_seconds():.1f} s")
    for listener, speaker in ((one, other), (other, one)):
        share, blocks = tone.share(listener.heard(), speaker.frequency)
        assert share > least and blocks >= 8, f"{listener.name} heard {share:.2f} in {blocks} blocks"


def converse(caller: Baresip, callee: Baresip, address: str) -> None:
    """A call with tones both ways, hung up by the callee."""
    for phone in (caller, callee):
        phone.clear_recordings()
        phone.forget_events()
    caller.dial(address)
    caller.wait_event("CALL_ESTABLISHED", 10)
    callee.wait_event("CALL_ESTABLISHED", 10)
    expect_tones(caller, callee)
    callee.hang_up()
    caller.wait_event("CALL_CLOSED", 10)


@pytest.mark.parametrize("caller,callee", itertools.product(("udp", "tcp", "tls"), repeat=2))
def test_baresip_in_every_transport(caller, callee):
    here = Domain()
    alice = baresip(here, "alice", 101, 440, "peer-d" if caller == "tls" else "peer-a", caller)
    bob = baresip(here, "bob", 102, 880, "peer-e", callee)
    converse(alice, bob, f"sip:bob@{DOMAIN}")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_linphone_calls_and_is_called(transport):
    here = Domain()
    alice = baresip(here, "alice", 101, 440, "peer-a")
    bob = Linphone(here.world, "bob", 102, f"bob@{DOMAIN}", USERS["bob"], 880, here.address("peer-d"), transport)
    bob.wait_registered()
    alice.forget_events()
    alice.dial(f"sip:bob@{DOMAIN}")
    alice.wait_event("CALL_ESTABLISHED", 10)
    bob.wait_established()
    expect_tones(alice, bob)
    alice.hang_up()
    bob.wait_closed()
    for phone in (alice, bob):
        phone.clear_recordings()
    alice.forget_events()
    bob.dial(f"sip:alice@{DOMAIN}")
    alice.wait_event("CALL_ESTABLISHED", 10)
    bob.wait_established()
    expect_tones(alice, bob)
    bob.hang_up()
    alice.wait_event("CALL_CLOSED", 10)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipp_registers_calls_and_answers(transport):
    here = Domain()
    here.callee("bob", 102, "peer-e", transport)
    caller = here.world.host("alice-phone", 101)
    sipp.expect_success(sipp.call(caller, f"{here.address('peer-a')}:5060", "alice", DOMAIN, USERS["alice"],
                                  f"bob@{DOMAIN}", count=20, rate=40, transport=transport))


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_kamailio_outside_in_both_directions(transport):
    """Both domains have this transport only in the DNS."""
    here = Domain(outside=True, transports=[transport])
    alice, her = baresip(here, "alice", 101, 440, "peer-a"), carol(here)
    start = time.time()
    converse(alice, her, "sip:carol@example.com")
    converse(her, alice, f"sip:alice@{DOMAIN}")
    packets = here.capture.since(start)
    peers = here.overlay.addresses
    if transport == "tls":
        assert not any(capture.looks_like_sip(p) for p in packets
                       if {p.source, p.target} & peers and "198.51.100.10" in (p.source, p.target))
        return
    border = [m for m in capture.messages(packets) if m.source.startswith("198.51.100.10:")
              and m.target.rpartition(":")[0] in peers]
    assert border and {m.transport for m in border} == {transport}
    seen = capture.messages(packets)
    for message in seen:
        for value in message.all("record-route"):
            assert not any(address in checks.uri_of(value) for address in peers), value
