"""The call enters the overlay: carol's proxy finds a proxy peer by DNS, which finds alice in the overlay."""
from lab import checks
from lab.call import ring_and_talk
from lab.scenes import Outcome
from lab.stage import DOMAIN, Stage

ID = "3-caller-outside"
TITLE = "carol calls alice@p2psip.org (draft 5.3)"
COLUMNS = ("alice", "peer-a", "peer-d", "peer-e", "sip.example.com", "carol")


def play(stage: Stage) -> Outcome:
    record, heard = ring_and_talk(stage, stage.carol, stage.alice, f"sip:alice@{DOMAIN}")
    checks.everywhere(stage, record.packets, record.messages)
    recorded = checks.crossing_recorded(stage, record.on_wire())
    return Outcome(record.setup_ms, f"{heard}; {recorded}", record.messages + record.media, record.started)
