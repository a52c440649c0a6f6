"""User agents behind NATs when things die: relays, public peers, mappings, every tenth packet."""
import os
import time

import pytest

from lab.call import Call
from lab.capture import is_rtp
from lab.scenes.draft import PUBLIC
from lab.stage import DOMAIN, Stage
from lab.stun import unwrapped
from lab.world import Failure, wait_for
from natworld import RELAYS, NatWorld, connect, expect_tones, hang_up

pytestmark = [pytest.mark.world, pytest.mark.causeway]

AUDIO_BACK = 3.0  # seconds
REACHABLE_AGAIN = 30.0
# How often each flow is played with loss: 20 is what has to hold (LAB_LOSS_RUNS=20), and takes minutes.
LOSS_RUNS = int(os.environ.get("LAB_LOSS_RUNS", "3"))
LOSS_PERCENT = 10
# A datagram between two ends and a relay crosses four such links: a third of the sound is missing, and what phones fill
# the gaps with moves the rest in time. A tone that is not there has a share below 0.05.
LEAST_SHARE = 0.2


def symmetric_pair(here: NatWorld, *arguments: str) -> tuple:
    return tuple(here.user_agent(here.host(name, "symmetric"), *arguments) for name in ("alice", "bob"))


def silence(here: NatWorld, name: str, since: float) -> float:
    """The longest time from then on that no media came to that host; media must flow at the end."""
    packets = here.capture.since(since)
    times = [packet.time for packet in unwrapped(packets) if packet.target == here.address(name) and is_rtp(packet)]
    if not times or time.time() - times[-1] > 0.5:
        return float("inf")
    return max(after - before for before, after in zip([since] + times, times))


@pytest.mark.parametrize("way", ["killed", "unplugged"])
def test_the_relay_in_use_dies_and_audio_is_back(way):
    here = NatWorld()
    alice, bob = symmetric_pair(here)
    connect(alice, bob)
    time.sleep(1)
    relay = here.relay_of(alice if "relay" == alice.pair()[0] else bob)
    died = time.time()
    if way == "killed":
        here.overlay[relay].kill()
    else:
        here.world.hosts[relay].plug(False)
    wait_for(lambda: all(silence(here, ua.name, died) < float("inf") and time.time() - died > AUDIO_BACK
                         for ua in (alice, bob)), 15, "audio to flow again",
             came=lambda: f"{alice.program.tail(4)}\n{bob.program.tail(4)}")
    gaps = [silence(here, ua.name, died) for ua in (alice, bob)]
    assert max(gaps) <= AUDIO_BACK, f"silent for {gaps[0]:.1f} s at alice and {gaps[1]:.1f} s at bob"
    other = next(name for name in RELAYS if name != relay)
    time.sleep(0.5)
    assert any(other in hop for hop in here.hops(time.time() - 0.5))
    hang_up(alice, bob)
    expect_tones(alice, bob)


@pytest.mark.parametrize("way", ["killed", "unplugged"])
def test_the_public_peer_that_the_callee_hangs_on_dies(way):
    here = NatWorld()
    alice = here.user_agent(here.host("alice", "symmetric"), peers=("peer-b", "peer-c"))
    bob = here.user_agent(here.host("bob", "symmetric"), peers=("peer-a", "peer-b"))
    if way == "killed":
        here.overlay["peer-a"].kill()
    else:
        here.world.hosts["peer-a"].plug(False)
    begin = time.monotonic()
    connect(alice, bob)
    assert time.monotonic() - begin < AUDIO_BACK
    hang_up(alice, bob)


def test_the_nat_forgets_everything_and_all_is_reachable_again():
    here = NatWorld()
    alice, bob = symmetric_pair(here)
    connect(alice, bob)
    forgotten = time.time()
    for name in ("alice", "bob"):
        here.nats[name].forget()
    wait_for(lambda: time.time() - forgotten > 1 and all(silence(here, ua.name, time.time() - 1) < 0.5 for ua in (alice, bob)),
             REACHABLE_AGAIN, "audio of the call to flow again", came=lambda: f"{alice.program.tail(4)}\n{bob.program.tail(4)}")
    hang_up(alice, bob)
    carol = here.user_agent(here.host("carol", "public"))
    wait_for(lambda: _called(carol, bob), REACHABLE_AGAIN - (time.time() - forgotten), "bob to be reached again")


def _called(caller, callee) -> bool:
    try:
        connect(caller, callee, 4)
    except Failure:
        caller.hang_up()
        return False
    hang_up(caller, callee)
    return True


FLOWS = {
    "5.1": lambda stage: (stage.alice, stage.bob, f"sip:bob@{DOMAIN}"),
    "5.2": lambda stage: (stage.alice, stage.carol, "sip:carol@example.com"),
    "5.3": lambda stage: (stage.carol, stage.alice, f"sip:alice@{DOMAIN}"),
    "5.4": lambda stage: (stage.carol, stage.alice, PUBLIC),
}


@pytest.mark.parametrize("flow", FLOWS)
def test_every_tenth_packet_is_lost(flow):
    """On every link, both ways."""
    stage = Stage(regions=False, patience=32)  # as RFC 3261 has it: a server that gives up after 2 s would lose calls
    stage.alice.restart("--register-public", PUBLIC, "--public-password-file", str(stage.password_file("alice")))
    stage.alice.wait_event("registered", 5, address=PUBLIC)
    for peer in stage.overlay:
        wait_for(lambda: len(peer.relays()) == 3, 15, f"the relays to be found by {peer.name}")
    for host in stage.world.hosts.values():
        host.lose(LOSS_PERCENT)
    caller, callee, address = FLOWS[flow](stage)
    failed = []
    for number in range(LOSS_RUNS):
        try:
            call = Call(stage, caller, callee, address, seconds=30)
            call.talk(least_share=LEAST_SHARE, seconds=30)
            call.hang_up(seconds=35)
        except Failure as failure:
            failed.append(f"call {number + 1}: {failure}")
            for ua in (stage.alice, stage.bob):
                ua.hang_up()
            stage.carol.end_calls()
    assert not failed, f"{len(failed)} of {LOSS_RUNS}:\n" + "\n".join(failed)
