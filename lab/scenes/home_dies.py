"""The peer that dave's phone is registered at is killed; it registers at another, and erin reaches him there."""
import time

from lab import capture, checks
from lab.call import ring_and_talk
from lab.scenes import Outcome
from lab.stage import DOMAIN, Stage

ID = "6-home-dies"
TITLE = "dave's home peer is killed, his phone registers at another one, erin calls him"
COLUMNS = ("erin", "peer-b", "peer-d", "peer-e", "peer-a", "peer-c", "dave")


def play(stage: Stage) -> Outcome:
    started = time.time()
    stage.overlay["peer-a"].kill()
    stage.dave.restart(stage.account(f"dave@{DOMAIN}", "peer-c"))
    record, heard = ring_and_talk(stage, stage.erin, stage.dave, f"sip:dave@{DOMAIN}")
    checks.everywhere(stage, record.packets, record.messages)
    registers = [m for m in capture.messages(stage.capture.since(started))
                 if m.method == "REGISTER" and m.time < record.started]
    return Outcome(record.setup_ms, f"{heard}; dave registered at peer C after peer A was killed",
                   registers + record.messages + record.media, started)
