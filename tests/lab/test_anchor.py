"""Phones that know neither ICE nor TURN, with home peers that stand in the path of their media (media = "anchor").

On the wire: such a phone's media goes between it and its home peer, and from there the world sees ICE.
"""
import time

import pytest

from lab import stun
from lab.baresip import Baresip
from lab.world import wait_for
from natworld import DOMAIN, NatWorld
from test_nat_phones import call, end, expect_tones

pytestmark = [pytest.mark.world, pytest.mark.causeway]

PHONES = {"alice": (101, "peer-a", 1000), "bob": (102, "peer-b", 1500)}  # number, home, tone
TALK = 2.0  # seconds


class Scene:
    """A world with relays, and phones without ICE that are anchored at their peers."""

    def __init__(self, *names: str):
        self.here = NatWorld(users={name: f"pw-{name}" for name in names}, anchored=names)
        for name in names:
            setattr(self, name, self.phone(name, *PHONES[name]))

    def phone(self, name: str, number: int, home: str, frequency: int) -> Baresip:
        phone = Baresip(self.here.world, name, number, f"{name}@{DOMAIN}", f"pw-{name}", frequency,
                        f"sip:{self.here.world.hosts[home].address}", self.here.ca.certificate)
        phone.connect()
        phone.wait_registered()
        return phone

    def begin(self, caller, callee) -> float:
        """A call; when it began."""
        for end in (caller, callee):
            end.clear_recordings()
            end.forget_events()
        start = time.time()
        caller.dial(f"sip:{callee.name}@{DOMAIN}")
        for end in (caller, callee):
            end.wait_established()
        return start

    def end(self, caller, callee) -> None:
        caller.hang_up()
        for end in (caller, callee):
            end.wait_closed()
        expect_tones(caller, callee)

    def checkers(self, since: float) -> set:
        """Who has sent ICE's checks."""
        found = set()
        for packet in stun.unwrapped(self.here.capture.since(since)):
            message = stun.parse(packet.payload)
            if message and message.is_check:
                found.add(packet.source)
        return {name for name in self.here.world.hosts if self.here.address(name) in found and not name.startswith("nat-")}

    def count(self, peer: str, counter: str) -> int:
        return self.here.overlay[peer].status()["counters"].get(counter, 0)

    def expect_nothing_left(self, *peers: str) -> None:
        for peer in peers:
            assert self.count(peer, "anchor_calls_total") > 0
            wait_for(lambda: self.count(peer, "anchor_calls") == 0, 5, f"{peer} to have no call left")


def test_a_phone_without_ice_and_a_user_agent_behind_a_symmetric_nat_call_each_other():
    scene = Scene("alice")
    agent = scene.here.user_agent(scene.here.host("agent", "symmetric"))
    for caller, callee in ((agent, scene.alice), (scene.alice, agent)):
        start = scene.begin(caller, callee)
        time.sleep(TALK)
        scene.end(caller, callee)
        hops = scene.here.hops(start)
        assert hops == {frozenset(("alice", "peer-a")), frozenset(("peer-a", "agent"))}, sorted(map(sorted, hops))
        checkers = scene.checkers(start)
        assert {"peer-a", "agent"} <= checkers and "alice" not in checkers
    scene.expect_nothing_left("peer-a")


def test_who_calls_such_a_phone_may_want_encrypted_media():
    scene = Scene("alice")
    agent = scene.here.user_agent(scene.here.host("agent", "symmetric"), "--dtls")
    scene.begin(agent, scene.alice)
    time.sleep(TALK)
    scene.end(agent, scene.alice)


def test_without_any_other_way_the_home_peers_media_goes_over_a_relay():
    scene = Scene("alice")
    agent = scene.here.user_agent(scene.here.host("agent", "public"), "--relay-only")
    start = scene.begin(agent, scene.alice)
    time.sleep(TALK)
    scene.end(agent, scene.alice)
    hops = scene.here.hops(start)
    assert frozenset(("alice", "peer-a")) in hops
    assert not any("agent" in hop and hop & {"alice", "peer-a"} for hop in hops), sorted(map(sorted, hops))
    assert any("agent" in hop and hop & {"relay-1", "relay-2"} for hop in hops), sorted(map(sorted, hops))


def test_who_knows_no_ice_outside_is_reached_by_a_relay():
    scene = Scene("alice")
    agent = scene.here.user_agent(scene.here.host("agent", "public"), "--no-ice")
    start = scene.begin(scene.alice, agent)
    time.sleep(TALK)
    scene.end(scene.alice, agent)
    hops = scene.here.hops(start)
    assert frozenset(("alice", "peer-a")) in hops
    assert not any("alice" in hop and "peer-a" not in hop for hop in hops), sorted(map(sorted, hops))


# Linphone finds no path where RTCP has no candidates of its own.
@pytest.mark.parametrize("kind", ("preserving", "symmetric"))
def test_linphone_with_ice_and_such_a_phone_hear_each_other(kind):
    here = NatWorld(users={"alice": "alice", "linphone": "linphone"}, anchored=("alice",))
    alice = here.phone("baresip", here.host("alice", kind), media="plain")
    linphone = here.phone("linphone", here.host("linphone", kind))
    for caller, callee in ((alice, linphone), (linphone, alice)):
        since = call(here, caller, callee)
        assert frozenset(("alice", "peer-a")) in here.hops(since)
        end(caller, callee)
        expect_tones(caller, callee)


def test_two_such_phones_at_two_peers():
    scene = Scene("alice", "bob")
    start = scene.begin(scene.alice, scene.bob)
    time.sleep(TALK)
    scene.end(scene.alice, scene.bob)
    hops = scene.here.hops(start)
    assert hops == {frozenset(("alice", "peer-a")), frozenset(("peer-a", "peer-b")), frozenset(("peer-b", "bob"))}, \
        sorted(map(sorted, hops))
    assert {"peer-a", "peer-b"} <= scene.checkers(start)
    scene.expect_nothing_left("peer-a", "peer-b")


def test_a_hold_and_a_restart_from_outside_leave_the_media_where_it_is():
    scene = Scene("alice")
    agent = scene.here.user_agent(scene.here.host("agent", "preserving"))
    scene.begin(scene.alice, agent)
    agent.wait_event("first audio", 10)
    scene.alice.command("hold")
    agent.wait_event("hold", by="them", held=True)
    time.sleep(0.5)
    scene.alice.command("resume")
    agent.wait_event("hold", by="them", held=False)
    agent.tell("restart")
    agent.wait_event("media", 10)
    time.sleep(0.5)
    start = time.time()
    time.sleep(TALK)
    hops = scene.here.hops(start)
    assert hops == {frozenset(("alice", "peer-a")), frozenset(("peer-a", "agent"))}, sorted(map(sorted, hops))
    scene.alice.hang_up()
    agent.wait_closed()
    scene.expect_nothing_left("peer-a")
