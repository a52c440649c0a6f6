"""Calls between user agents wherever they are: which way media takes, seen on the wire, and that both hear each other.

Direct where direct is possible: between any two of which one is public, or both are behind NATs that keep ports, or
behind the same NAT. Over relays otherwise, and for who has no UDP, or no ICE: it says where a relay takes media for it.
"""
import time

import pytest

from lab.capture import Capture
from lab.stun import media
from lab.world import Failure
from natworld import RELAYS, NatWorld, connect, expect_tones, hang_up

pytestmark = [pytest.mark.world, pytest.mark.causeway]

KINDS = ("public", "preserving", "symmetric", "blocked", "no-ice")
DIRECT = {("public", "public"), ("public", "preserving"), ("public", "symmetric"), ("preserving", "preserving")}
TALK = 1.2  # seconds


def is_direct(one: str, other: str) -> bool:
    return (one, other) in DIRECT or (other, one) in DIRECT


def place(here: NatWorld, name: str, kind: str):
    if kind == "no-ice":
        return here.user_agent(here.host(name, "public"), "--no-ice")
    return here.user_agent(here.host(name, kind))


def talk(here: NatWorld, caller, callee) -> set:
    """The hops of media, after a call in which both have heard each other."""
    start = time.time()
    connect(caller, callee)
    time.sleep(TALK)
    hang_up(caller, callee)
    expect_tones(caller, callee)
    return here.hops(start)


def expect_way(hops: set, caller: str, callee: str, direct: bool, seen: set) -> None:
    """Of the hops those that are RTP in the capture; `seen`: the ends where it can be seen (not inside TLS)."""
    straight = frozenset((caller, callee))
    if direct:
        assert hops == {straight}, f"expected media to go directly; it went {sorted(map(sorted, hops))}"
        return
    assert straight not in hops, f"expected media over a relay; it went {sorted(map(sorted, hops))}"
    for end in seen:
        assert any(end in hop and hop & set(RELAYS) for hop in hops), \
            f"expected media between {end} and a relay; it went {sorted(map(sorted, hops))}"


@pytest.mark.parametrize("kind", KINDS)
def test_matrix(kind):
    """A caller of this kind calls one of each."""
    here = NatWorld()
    caller = place(here, "caller", kind)
    failed = []
    for other in KINDS:
        try:
            callee = place(here, f"callee-{other}", other)
            hops = talk(here, caller, callee)
            direct = is_direct(kind, other)
            expect_way(hops, caller.name, callee.name, direct, {caller.name, callee.name} - _without_ice(kind, other))
            if direct:
                assert "relay" not in caller.pair() + callee.pair()
        except (Failure, AssertionError) as failure:
            failed.append(f"{kind} calls {other}: {failure}")
        _end_all(caller)
    assert not failed, "\n\n".join(failed)


def _without_ice(kind: str, other: str) -> set:
    """Ends whose own way to a relay need not be there: they talk to the other's."""
    return {name for name, its in (("caller", kind), (f"callee-{other}", other)) if its in ("no-ice", "public")}


def _end_all(caller) -> None:
    if caller.latest("established") and not caller.latest("ended"):
        caller.hang_up()


@pytest.mark.parametrize("kind", ["preserving", "symmetric"])
def test_both_behind_one_nat_talk_without_leaving_it(kind):
    here = NatWorld()
    caller = here.user_agent(here.host("caller", kind))
    callee = here.user_agent(here.neighbour("callee", "caller"))
    inside = Capture(here.nats["caller"].inside, "inside")
    inside.wait_ready()
    start = time.time()
    assert talk(here, caller, callee) == set()
    ways = {(flow.source, flow.target) for flow in media(inside.since(start))}
    one, other = caller.host.address, callee.host.address
    assert ways == {(one, other), (other, one)}
    assert caller.pair() == callee.pair() == ("host", "host")


def test_the_only_relay_hands_media_from_one_of_its_clients_to_the_other():
    here = NatWorld()
    here.overlay["relay-2"].kill()
    caller, callee = (here.user_agent(here.host(name, "blocked")) for name in ("caller", "callee"))
    assert talk(here, caller, callee) == {frozenset((name, "relay-1")) for name in ("caller", "callee")}
    assert caller.pair() == callee.pair() == ("relay", "relay")


@pytest.mark.parametrize("transport,port", [("tcp", 3478), ("tls", 5349)])
def test_without_udp_the_relay_is_reached_over(transport, port):
    here = NatWorld(relay_transports=("udp", transport))
    caller = here.user_agent(here.host("caller", "blocked"))
    callee = here.user_agent(here.host("callee", "blocked"))
    start = time.time()
    connect(caller, callee)
    time.sleep(TALK)
    hang_up(caller, callee)
    expect_tones(caller, callee)
    relays = {here.address(name) for name in RELAYS}
    for name in ("caller", "callee"):
        sent = [packet for packet in here.capture.since(start) if packet.source == here.address(name) and packet.payload]
        assert {packet.protocol for packet in sent} == {"tcp"}
        assert sum((packet.target in relays) and packet.target_port == port for packet in sent) > 40
