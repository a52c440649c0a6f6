"""The call leaves the overlay: alice's peer finds a proxy peer, which finds carol's proxy by DNS."""
from lab import checks
from lab.call import ring_and_talk
from lab.scenes import Outcome
from lab.stage import Stage

ID = "2-callee-outside"
TITLE = "alice calls carol@example.com (draft 5.2)"
COLUMNS = ("alice", "peer-a", "peer-d", "peer-e", "sip.example.com", "carol")


def play(stage: Stage) -> Outcome:
    record, heard = ring_and_talk(stage, stage.alice, stage.carol, "sip:carol@example.com")
    checks.everywhere(stage, record.packets, record.messages)
    recorded = checks.crossing_recorded(stage, record.on_wire())
    return Outcome(record.setup_ms, f"{heard}; {recorded}", record.messages + record.media, record.started)
