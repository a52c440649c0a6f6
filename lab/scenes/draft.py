"""The calls of the draft's section 5, as its figures 5 to 8 draw them.

alice and bob are members of the overlay behind two symmetric NATs. carol has a conventional phone: once it knows ICE,
once it does not. Each scene begins with user agents that have just been started, so that they ask for everything.
"""
import time

from lab import capture, checks
from lab.baresip import Baresip
from lab.call import Record, ring_and_talk
from lab.scenes import Outcome
from lab.stage import DOMAIN, PASSWORDS, RELAYS, Stage, label
from lab.world import Failure, wait_for

PUBLIC = "sip:alice@example.org"
# The steps in which alice asks for proxy peers. She does when she starts, whatever comes then.
GET_PROXY = {5: (), 6: (5, 6), 7: (), 8: (1, 2)}
ICE = {5: 11, 6: 10, 7: 8, 8: 13}


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
    registers = _registers(stage, started, record)
    contact = _overlay_contact(stage, registers)
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


def _registers(stage: Stage, started: float, record: Record) -> list:
    """alice's REGISTER for her public address, on the wire and in the links."""
    found = capture.messages(record.packets) + stage.overlay.trace(started, record.packets)
    calls = {m.call_id for m in found if m.method == "REGISTER" and "alice@example.org" in m.get("to")}
    return [m for m in found if m.call_id in calls]


def _overlay_contact(stage: Stage, registers: list) -> str:
    server = stage.address("sip.example.org")
    sent = [m for m in registers if m.target.startswith(server + ":") and not m.status]
    contacts = [checks.uri_of(value) for value in sent[-1].all("contact")] if sent else []
    if contacts != [f"sip:alice@{DOMAIN}"]:
        raise Failure(f"expected the overlay's URL sip:alice@{DOMAIN} as Contact at sip.example.org; came: {contacts}")
    return contacts[0]


def _outcome(stage: Stage, number: int, record: Record, detail: str, other: str, relays: int, ice: bool) -> Outcome:
    """What holds of every call of the draft: the figure's steps in their order, media where it is drawn."""
    checks.everywhere(stage, record.packets, record.messages)
    way = checks.way_of_media(stage, record.media, "alice", other, relays)
    figure = stage.figure(number)
    figure.require(record.items, absent=() if ice else (ICE[number],), anytime=GET_PROXY[number])
    return Outcome(record.setup_ms, f"{detail}; media {' - '.join(map(label, way))}", record.items, record.started, figure)
