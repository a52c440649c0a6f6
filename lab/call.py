"""One call of the demo: dial, talk until both have heard the other's tone, hang up; and all that was on the wire."""
import time
from dataclasses import dataclass, field
from typing import Callable, Optional, Union

from lab import stun, tone
from lab.baresip import Baresip
from lab.stage import Stage
from lab.ua import UserAgent
from lab.world import Failure, wait_for

Talker = Union[Baresip, UserAgent]

TALK_SECONDS = 1.2  # of recorded sound, on each side
LEAST_SHARE = 0.9  # of the energy, at the other side's frequency
LEAST_BLOCKS = 8  # of 100 ms, with sound


@dataclass
class Record:
    """What was seen of a call, in the order of time."""
    started: float  # epoch seconds
    setup_ms: float  # from dialling to both sides established
    call_id: str
    messages: list = field(default_factory=list)  # on the wire and inside the peers' links
    signals: list = field(default_factory=list)  # what the overlay and the relays were asked
    checks: list = field(default_factory=list)  # of ICE
    media: list = field(default_factory=list)
    packets: list = field(default_factory=list)

    @property
    def items(self) -> list:
        """All that a diagram shows."""
        return self.messages + self.signals + self.checks + self.media

    def on_wire(self) -> list:
        return [message for message in self.messages if message.transport != "tls"]


class Call:
    """Dials at once; returns established on both sides, or raises Failure.

    What is recorded begins with the call, or at the time `since`. `pick_up()` is for a callee that does not answer
    by itself.
    """

    def __init__(self, stage: Stage, caller: Talker, callee: Talker, address: str, seconds: float = 10,
                 since: float = 0, pick_up: Callable = lambda: None):
        self.stage, self.caller, self.callee = stage, caller, callee
        for phone in (caller, callee):
            phone.clear_recordings()
            phone.forget_events()
        dialled = time.time()
        self.started = since or dialled
        begin = time.monotonic()
        caller.dial(address)
        pick_up()
        for talker in (caller, callee):
            talker.wait_established(seconds)
        self.setup_ms = (time.monotonic() - begin) * 1000
        self.call_id = self._find_call_id(dialled)

    def _find_call_id(self, since: float) -> str:
        """That of the first INVITE since then."""
        found = [m for m in self.stage.messages(since, self.stage.capture.since(since)) if m.method == "INVITE"]
        if not found:
            raise Failure(f"expected an INVITE of {self.caller.name} on the wire or in a peer's links; there was none")
        return min(found, key=lambda message: message.time).call_id

    def talk(self, least_share: float = LEAST_SHARE, seconds: float = 15) -> str:
        """Until both sides have recorded enough; checks the tones. Returns what was heard, in words."""
        both = (self.caller, self.callee)
        wait_for(lambda: all(phone.heard_seconds() >= TALK_SECONDS for phone in both), seconds,
                 f"{TALK_SECONDS} s of sound at both phones",
                 came=lambda: ", ".join(f"{phone.heard_seconds():.1f} s at {phone.name}" for phone in both))
        heard = [_check_tone(listener, speaker, least_share) for listener, speaker in (both, both[::-1])]
        return ", ".join(heard)

    def hang_up(self, who: Optional[Talker] = None, seconds: float = 10) -> float:
        """Hangs up there (at the caller's, if not told) and waits until the other side knows; in how many ms."""
        who = who or self.caller
        other = self.callee if who is self.caller else self.caller
        begin = time.monotonic()
        who.hang_up()
        other.wait_closed(seconds)
        return (time.monotonic() - begin) * 1000

    def seen(self) -> Record:
        """What was on the wire and inside the peers' links so far."""
        packets = self.stage.capture.since(self.started)
        ours = self._messages(packets)
        signals = self.stage.overlay.asked(self.started) + stun.allocations(packets)
        ends = [self.stage.address(talker.name) for talker in (self.caller, self.callee)]
        return Record(self.started, self.setup_ms, self.call_id, ours, signals, stun.checks(packets, of=ends),
                      stun.media(packets, of=ends), packets)

    def record(self) -> Record:
        """After the end: everything, once the answer to the BYE has been seen."""
        wait_for(lambda: any(m.status == 200 and m.method == "BYE"
                             for m in self._messages(self.stage.capture.since(self.started))), 10,
                 "an answer to the BYE on the wire")
        return self.seen()

    def _messages(self, packets: list) -> list:
        found = self.stage.messages(self.started, packets)
        return sorted((m for m in found if m.call_id == self.call_id), key=lambda m: m.time)


def _check_tone(listener: Talker, speaker: Talker, least_share: float) -> str:
    share, blocks = tone.share(listener.heard(), speaker.frequency)
    if share < least_share or blocks < LEAST_BLOCKS:
        raise Failure(f"expected {listener.name} to hear {speaker.frequency} Hz; came: a share of {share:.2f} "
                      f"in {blocks * 0.1:.1f} s of sound")
    return f"{listener.name} heard {speaker.frequency} Hz"


def ring_and_talk(stage: Stage, caller: Talker, callee: Talker, address: str,
                  hang_up_by: Optional[Talker] = None, meanwhile: Callable = lambda call: None, since: float = 0):
    """A whole call: (Record, what was heard). `meanwhile(call)` happens while they talk."""
    call = Call(stage, caller, callee, address, since=since)
    heard = call.talk()
    meanwhile(call)
    call.hang_up(hang_up_by)
    return call.record(), heard
