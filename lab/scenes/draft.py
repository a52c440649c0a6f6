"""The calls of the draft's section 5, as its figures 5 to 8 draw them.

alice and bob are members of the overlay behind two symmetric NATs. carol has a conventional phone: once it knows ICE,
once it does not. Each scene begins with user agents that have just been started, so that they ask for everything.
"""
import time

from lab import checks
from lab.baresip import Baresip
from lab.call import Record, ring_and_talk
from lab.scenes import Outcome
from lab.stage import DOMAIN, PASSWORDS, RELAYS, Stage, label
from lab.world import wait_for

PUBLIC = "sip:alice@example.org"
OUTSIDE = ("alice", "peer-a", "peer-b", "peer-c", *RELAYS, "peer-d", "peer-e")  # columns


def inside(stage: Stage) -> Outcome:
    """Figure 5."""
    started = time.time()
    for ua in (stage.alice, stage.bob):
        ua.restart()
    record, heard = ring_and_talk(stage, stage.alice, stage.bob, f"sip:bob@{DOMAIN}", since=started)
    return _outcome(stage, 5, record, heard, "bob", relays=2, ice=True)


def callee_outside(stage: Stage, ice: bool) -> Outcome:
    """Figure 6."""
    started = _begin(stage, ice)
    stage.alice.restart()
    record, heard = ring_and_talk(stage, stage.alice, stage.carol, "sip:carol@example.com", since=started)
    return _crossing(stage, 6, record, heard, ice)


def caller_outside(stage: Stage, ice: bool) -> Outcome:
    """Figure 7."""
    started = _begin(stage, ice)
    stage.alice.restart()
    record, heard = ring_and_talk(stage, stage.carol, stage.alice, f"sip:alice@{DOMAIN}", since=started)
    return _crossing(stage, 7, record, heard, ice)


def public_address(stage: Stage, ice: bool) -> Outcome:
    """Figure 8."""
    started = _begin(stage, ice)
    stage.alice.restart(*public_account(stage))
    stage.alice.wait_event("registered", 5, address=PUBLIC)
    wait_for(lambda: stage.example_org.registered("alice"), 5, f"{PUBLIC} to be registered at sip.example.org")
    record, heard = ring_and_talk(stage, stage.carol, stage.alice, PUBLIC, since=started)
    registers = checks.registration(stage, started, "alice@example.org")
    contact = checks.overlay_contact(stage, registers, "alice")
    record.messages += registers
    return _crossing(stage, 8, record, f"registered with contact {contact}; {heard}", ice)


def public_account(stage: Stage) -> tuple:
    """Arguments for alice's user agent, so that she has a public address, too."""
    return "--register-public", PUBLIC, "--public-password-file", str(stage.password_file("alice"))


def ice_account(stage: Stage) -> str:
    """carol's line, for her phone when it knows ICE."""
    stun = f";medianat=ice;stunserver=stun:{stage.address('relay-1')}:3478"
    return Baresip.account_line("carol@example.com", PASSWORDS["carol"], stage.server("carol", "sip.example.com"), stun)


def _begin(stage: Stage, ice: bool) -> float:
    """carol's phone is as it should be; the time."""
    if ice:
        stage.carol.restart(ice_account(stage))
    return time.time()


def _crossing(stage: Stage, number: int, record: Record, detail: str, ice: bool) -> Outcome:
    recorded = checks.crossing_recorded(stage, record.on_wire())
    return _outcome(stage, number, record, f"{detail}; {recorded}", "carol", relays=1, ice=ice)


def _outcome(stage: Stage, number: int, record: Record, detail: str, other: str, relays: int, ice: bool) -> Outcome:
    """What holds of every call of the draft: the figure's steps in their order, media where it is drawn."""
    checks.everywhere(stage, record.packets, record.messages)
    way = checks.way_of_media(stage, record.media, "alice", other, relays)
    figure = stage.figure(number)
    # alice asks for proxy peers when she starts, whatever comes then.
    figure.require(record.items, absent=() if ice else figure.numbers("ICE"), anytime=figure.numbers("Get Proxy"))
    return Outcome(record.setup_ms, f"{detail}; media {' - '.join(map(label, way))}", record.items, record.started, figure)
