"""One call of the demo: dial, talk until both have heard the other's tone, hang up; and all that was on the wire."""
import time
from dataclasses import dataclass, field
from typing import Callable, Optional

from lab import capture, tone
from lab.baresip import Baresip
from lab.stage import Stage
from lab.world import Failure, wait_for

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
    media: list = field(default_factory=list)
    packets: list = field(default_factory=list)

    def on_wire(self) -> list:
        return [message for message in self.messages if message.transport != "tls"]


class Call:
    """Dials at once; returns established on both sides, or raises Failure."""

    def __init__(self, stage: Stage, caller: Baresip, callee: Baresip, address: str, seconds: float = 10):
        self.stage, self.caller, self.callee = stage, caller, callee
        for phone in (caller, callee):
            phone.clear_recordings()
            phone.forget_events()
        self.started = time.time()
        begin = time.monotonic()
        caller.dial(address)
        event = caller.wait_event("CALL_ESTABLISHED", seconds)
        callee.wait_event("CALL_ESTABLISHED", seconds)
        self.setup_ms = (time.monotonic() - begin) * 1000
        self.call_id = event.get("id", "")

    def talk(self) -> str:
        """Until both sides have recorded enough; checks the tones. Returns what was heard, in words."""
        both = (self.caller, self.callee)
        wait_for(lambda: all(phone.heard_seconds() >= TALK_SECONDS for phone in both), 10,
                 f"{TALK_SECONDS} s of sound at both phones",
                 came=lambda: ", ".join(f"{phone.heard_seconds():.1f} s at {phone.name}" for phone in both))
        heard = [_check_tone(listener, speaker) for listener, speaker in (both, both[::-1])]
        return ", ".join(heard)

    def hang_up(self, who: Optional[Baresip] = None, seconds: float = 10) -> float:
        """Hangs up there (at the caller's, if not told) and waits until the other side knows; in how many ms."""
        who = who or self.caller
        other = self.callee if who is self.caller else self.caller
        begin = time.monotonic()
        who.hang_up()
        other.wait_event("CALL_CLOSED", seconds)
        return (time.monotonic() - begin) * 1000

    def seen(self) -> Record:
        """What was on the wire and inside the peers' links so far."""
        packets = self.stage.capture.since(self.started)
        found = capture.messages(packets) + self.stage.overlay.trace(self.started, packets)
        ours = sorted((m for m in found if m.call_id == self.call_id), key=lambda m: m.time)
        return Record(self.started, self.setup_ms, self.call_id, ours, capture.media(packets), packets)

    def record(self) -> Record:
        """After the end: everything, once the answer to the BYE has been seen."""
        def ended():
            seen = self.seen()
            return seen if any(m.status == 200 and m.method == "BYE" for m in seen.messages) else None
        return wait_for(ended, 10, "an answer to the BYE on the wire")


def _check_tone(listener: Baresip, speaker: Baresip) -> str:
    share, blocks = tone.share(listener.heard(), speaker.frequency)
    if share < LEAST_SHARE or blocks < LEAST_BLOCKS:
        raise Failure(f"expected {listener.name} to hear {speaker.frequency} Hz; came: a share of {share:.2f} "
                      f"in {blocks * 0.1:.1f} s of sound")
    return f"{listener.name} heard {speaker.frequency} Hz"


def ring_and_talk(stage: Stage, caller: Baresip, callee: Baresip, address: str,
                  hang_up_by: Optional[Baresip] = None, meanwhile: Callable = lambda call: None):
    """A whole call: (Record, what was heard). `meanwhile(call)` happens while they talk."""
    call = Call(stage, caller, callee, address)
    heard = call.talk()
    meanwhile(call)
    call.hang_up(hang_up_by)
    return call.record(), heard
