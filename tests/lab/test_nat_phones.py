"""baresip and Linphone wherever they are, with user agents and with each other: both hear each other.

A phone has its account and no more: the relays are found under turn:DOMAIN, and the account's name and password open
them. Without UDP its SIP and its relay go over TCP. Without ICE it has no relay either.

What a phone cannot do at all stands in CANNOT with its reason, and is shown to be no different with Kamailio and coturn
in our place.
"""
import time
from typing import NamedTuple

import pytest

from elsewhere import Elsewhere
from lab import stun, tone
from lab.capture import Capture
from lab.linphone import Linphone
from lab.world import Failure, wait_for
from natworld import RELAYS, NatWorld, Places
from test_nat_matrix import KINDS, TALK, is_direct

pytestmark = [pytest.mark.world, pytest.mark.causeway]

# A place is a program and the kind of its network (test_nat_matrix).
BARESIP, LINPHONE, UA = ("baresip", "linphone", "ua")
PLACES = [(program, kind) for program in (BARESIP, LINPHONE) for kind in KINDS if (program, kind) != (BARESIP, "blocked")]
NATED = ("preserving", "symmetric", "blocked")
LEAST_SHARE = 0.8
PATIENCE = 20  # seconds; baresip tries a dead pair of candidates for two

# Why it cannot be.
NO_UDP = "baresip asks relays over UDP only"
NOT_FROM_RELAY = "baresip offers its relayed address, and does not use it with who knows no ICE"
FROM_ELSEWHERE = "Linphone offers its relayed address, and sends from its own to who answers without ICE"
PRIVATE_ANSWER = "Linphone answers who offers no ICE with its own address, and behind a NAT nobody reaches that"
FROM_A_CHECK = ("a public baresip that is called makes no pair of the address that it learns from the checks of one behind a "
                "symmetric NAT, and sends it nothing")
TRIES_LONG = ("Linphone without UDP that is called answers no re-INVITE and sends nothing over its relay while it repeats its checks over UDP, "
              "for longer than a minute")
DISAGREE = "baresip and Linphone behind one NAT settle on different paths, and one of them hears nothing"


class Cell(NamedTuple):
    caller: tuple
    callee: tuple
    one_nat: bool = False  # both are behind the same


CANNOT = {
    NO_UDP: [Cell((BARESIP, "blocked"), (BARESIP, "public"))],
    NOT_FROM_RELAY: [Cell((BARESIP, "public"), (BARESIP, "no-ice")), Cell((LINPHONE, "no-ice"), (BARESIP, "public"))],
    FROM_ELSEWHERE: [Cell((LINPHONE, "public"), (BARESIP, "no-ice"))],
    PRIVATE_ANSWER: [Cell((BARESIP, "no-ice"), (LINPHONE, "preserving"))],
    TRIES_LONG: [Cell((BARESIP, "public"), (LINPHONE, "blocked")), Cell((BARESIP, "symmetric"), (LINPHONE, "blocked"))],
    FROM_A_CHECK: [Cell((BARESIP, "symmetric"), (BARESIP, "public"))],
    DISAGREE: [Cell((BARESIP, "symmetric"), (LINPHONE, "symmetric"), one_nat=True)],
}


def name_of(cell: Cell) -> str:
    return f"{'-'.join(cell.caller)}>{'-'.join(cell.callee)}{'-beside' * cell.one_nat}"


def what_cannot_be(cell: Cell) -> str:
    """The reason, or nothing."""
    caller, callee, one_nat = cell
    programs = caller[0], callee[0]
    if (BARESIP, "blocked") in (caller, callee):
        return NO_UDP
    if "no-ice" in (caller[1], callee[1]):
        return _without_ice(caller, callee)
    if one_nat:
        return DISAGREE if {*programs} == {BARESIP, LINPHONE} else ""
    if caller[0] == BARESIP and callee == (LINPHONE, "blocked"):
        return TRIES_LONG
    return FROM_A_CHECK if (caller, callee) == ((BARESIP, "symmetric"), (BARESIP, "public")) else ""


def _without_ice(caller: tuple, callee: tuple) -> str:
    for place in (caller, callee):
        program, kind = place
        if program == BARESIP and kind != "no-ice":
            return NOT_FROM_RELAY
        if program == LINPHONE and kind != "no-ice" and place is caller:
            return FROM_ELSEWHERE
        if program == LINPHONE and kind in NATED:
            return PRIVATE_ANSWER
    return ""


def put(here: Places, name: str, place: tuple, beside: str = ""):
    """One who talks, on a host of that name; `beside`: behind the NAT of that one."""
    program, kind = place
    plain = kind == "no-ice"
    host = here.neighbour(name, beside) if beside else here.host(name, "public" if plain else kind)
    if program == UA:
        return here.user_agent(host, *(("--no-ice",) if plain else ()))
    return here.phone(program, host, media="plain" if plain else "ice", transport="tcp" if kind == "blocked" else "udp")


def call(here: Places, caller, callee, seconds: float = PATIENCE) -> float:
    """They have heard each other for a while when it returns, and still talk; since when they did. Once more after a crash of
    Linphone's own (Linphone.crashed_gathering)."""
    try:
        return call_once(here, caller, callee, seconds)
    except Failure:
        crashed = [talker for talker in (caller, callee) if isinstance(talker, Linphone) and talker.crashed_gathering()]
        if not crashed:
            raise
    give_up(caller, callee)
    for linphone in crashed:
        linphone.restart()
    return call_once(here, caller, callee, seconds)


def call_once(here: Places, caller, callee, seconds: float) -> float:
    for talker in (caller, callee):
        talker.clear_recordings()
        talker.forget_events()
    caller.dial(f"sip:{callee.name}@{here.domain}")
    for talker in (caller, callee):
        talker.wait_established(15)
    wait_for(lambda: min(caller.heard_seconds(), callee.heard_seconds()) > TALK, seconds, "both to hear something", came=lambda:
             f"{caller.heard_seconds():.1f} s at {caller.name}, {callee.heard_seconds():.1f} s at {callee.name}")
    since = time.time()
    time.sleep(0.5)
    return since


def end(caller, callee) -> None:
    """Linphone without UDP does nothing else while it closes connections to relays that it does not need: twice five seconds."""
    caller.hang_up()
    for talker in (caller, callee):
        talker.wait_closed(20)


def give_up(caller, callee) -> None:
    """Whatever has become of their call, the next one begins anew."""
    for talker in (caller, callee):
        try:
            talker.hang_up()
            talker.wait_closed(5)
        except Failure:
            pass  # it had none, or has none any more


def expect_tones(caller, callee) -> None:
    for listener, speaker in ((caller, callee), (callee, caller)):
        share = tone.share(listener.heard(), speaker.frequency)[0] if listener.heard() else 0.0
        if share < LEAST_SHARE:
            raise Failure(f"expected {listener.name} to hear {speaker.frequency} Hz of {speaker.name}; it was {share:.2f} "
                          f"of {listener.heard_seconds():.1f} s")


def expect_way(hops: set, cell: Cell, ends: frozenset) -> None:
    """Over a relay where nothing else can be. Otherwise who takes what is his choice: Linphone with its like goes directly."""
    programs, kinds = zip(*cell[:2])
    without_ice = "no-ice" in kinds and UA not in programs  # and without a relay
    if without_ice or set(programs) == {LINPHONE} and is_direct(*kinds):
        assert hops == {ends}, f"expected media to go directly; it went {sorted(map(sorted, hops))}"
    elif not is_direct(*kinds):
        assert ends not in hops, f"expected media over a relay; it went {sorted(map(sorted, hops))}"
        for one in ends:
            assert any(one in hop and hop & set(RELAYS) for hop in hops), \
                f"expected media between {one} and a relay; it went {sorted(map(sorted, hops))}"


def tries_of(cell: Cell) -> int:
    """Two baresips go on to different addresses when they have found more than one, now and then."""
    return 2 if cell.caller[0] == cell.callee[0] == BARESIP else 1


def play(mine: tuple, others: list, calls: bool) -> None:
    """A phone calls one in each of the other places, or is called by it."""
    ways = {"-".join(other): Cell(mine, other) if calls else Cell(other, mine) for other in others}
    ways = {name: way for name, way in ways.items() if not what_cannot_be(way)}
    here = NatWorld(users={name: name for name in ("phone", *ways)})
    phone, failed = put(here, "phone", mine), []
    for name, way in ways.items():
        other = put(here, name, way.callee if calls else way.caller)
        caller, callee = (phone, other) if calls else (other, phone)
        for left in reversed(range(tries_of(way))):
            try:
                since = call(here, caller, callee)
                hops = here.hops(since)
                end(caller, callee)
                expect_tones(caller, callee)
                expect_way(hops, way, frozenset((caller.name, callee.name)))
                break
            except (Failure, AssertionError) as failure:
                give_up(caller, callee)
                if not left:
                    failed.append(f"{name_of(way)}: {failure}")
    assert ways and not failed, "\n\n".join(failed)


@pytest.mark.parametrize("program,kind", PLACES)
def test_phone_calls_user_agents(program, kind):
    """Of this kind, one of each."""
    play((program, kind), [(UA, other) for other in KINDS], calls=True)


@pytest.mark.parametrize("program,kind", PLACES)
def test_user_agents_call_phone(program, kind):
    """One of each calls a phone of this kind."""
    play((program, kind), [(UA, other) for other in KINDS], calls=False)


@pytest.mark.parametrize("program,kind", PLACES)
def test_phone_calls_phones(program, kind):
    """Of this kind, one of each."""
    play((program, kind), PLACES, calls=True)


@pytest.mark.parametrize("kind", ["preserving", "symmetric"])
def test_behind_one_nat_they_talk_without_leaving_it(kind):
    programs = {"baresip": BARESIP, "baresip-2": BARESIP, "linphone": LINPHONE, "linphone-2": LINPHONE, "ua": UA}
    here = NatWorld(users={name: name for name in programs})
    talkers = {}
    for name, program in programs.items():
        talkers[name] = put(here, name, (program, kind), beside="baresip" if talkers else "")
    inside = Capture(here.nats["ua"].inside, "inside")
    inside.wait_ready()
    for one, other in (("baresip", "baresip-2"), ("linphone", "linphone-2"), ("ua", "baresip"), ("ua", "linphone"),
                       ("linphone", "ua")):
        cell = Cell((programs[one], kind), (programs[other], kind), one_nat=True)
        assert not what_cannot_be(cell)
        caller, callee = talkers[one], talkers[other]
        since = call(here, caller, callee)
        hops = here.hops(since)
        ways = {frozenset((flow.source, flow.target)) for flow in stun.media(inside.since(since))}
        # A baresip that is not told in time where the other is sends over its relay.
        if not programs[one] == programs[other] == BARESIP:
            assert not hops and ways == {frozenset((caller.host.address, callee.host.address))}
        end(caller, callee)
        expect_tones(caller, callee)


@pytest.mark.parametrize("cell", [cell for cells in CANNOT.values() for cell in cells], ids=name_of)
def test_it_is_no_different_with_kamailio_and_coturn(cell):
    reason = what_cannot_be(cell)
    assert cell in CANNOT[reason]
    here = Elsewhere({"caller": "caller", "callee": "callee"})
    caller, callee = put(here, "caller", cell.caller), put(here, "callee", cell.callee, beside="caller" if cell.one_nat else "")
    with_ice = reason in (TRIES_LONG, FROM_A_CHECK, DISAGREE)
    start = time.time()
    for _ in range(3 if with_ice else 1):
        with pytest.raises(Failure, match="to hear something|to be established"):
            call(here, caller, callee, 12 if with_ice else 6)
        give_up(caller, callee)
    refused = stun.refusals(here.capture.since(start))
    assert (("Allocate", 401) in refused) == (reason not in (NO_UDP, PRIVATE_ANSWER))  # whether a relay was asked
