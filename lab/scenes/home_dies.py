"""The peer that alice's phone is registered at is killed; she registers at another, and bob reaches her there."""
import time

from lab import capture, checks
from lab.call import ring_and_talk
from lab.scenes import Outcome
from lab.stage import DOMAIN, Stage

ID = "6-home-dies"
TITLE = "alice's home peer is killed, her phone registers at another one, bob calls her"
COLUMNS = ("bob", "peer-b", "peer-d", "peer-e", "peer-a", "peer-c", "alice")


def play(stage: Stage) -> Outcome:
    started = time.time()
    stage.overlay["peer-a"].kill()
    stage.alice.restart(stage.account(f"alice@{DOMAIN}", "peer-c"))
    record, heard = ring_and_talk(stage, stage.bob, stage.alice, f"sip:alice@{DOMAIN}")
    checks.everywhere(stage, record.packets, record.messages)
    registers = [m for m in capture.messages(stage.capture.since(started))
                 if m.method == "REGISTER" and m.time < record.started]
    return Outcome(record.setup_ms, f"{heard}; alice registered at peer C after peer A was killed",
                   registers + record.messages + record.media, started)
