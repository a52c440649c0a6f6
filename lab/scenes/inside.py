"""alice and bob, at different peers; the call never leaves the overlay."""
from lab import checks
from lab.call import ring_and_talk
from lab.scenes import Outcome
from lab.stage import DOMAIN, Stage

ID = "1-inside"
TITLE = "alice calls bob inside the overlay (draft 5.1)"
COLUMNS = ("alice", "peer-a", "peer-d", "peer-e", "peer-c", "peer-b", "bob")


def play(stage: Stage) -> Outcome:
    record, heard = ring_and_talk(stage, stage.alice, stage.bob, f"sip:bob@{DOMAIN}")
    checks.everywhere(stage, record.packets, record.messages)
    return Outcome(record.setup_ms, f"{heard}; between peers only TLS", record.messages + record.media,
                   record.started)
