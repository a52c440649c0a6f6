"""Two ordinary phones, at different peers; the call never leaves the overlay."""
from lab import checks
from lab.call import ring_and_talk
from lab.scenes import Outcome
from lab.stage import DOMAIN, Stage

ID = "8-phones"
TITLE = "dave and erin, who have ordinary phones at two peers: a call inside the overlay"
COLUMNS = ("dave", "peer-a", "peer-d", "peer-e", "peer-c", "peer-b", "erin")


def play(stage: Stage) -> Outcome:
    record, heard = ring_and_talk(stage, stage.dave, stage.erin, f"sip:erin@{DOMAIN}")
    checks.everywhere(stage, record.packets, record.messages)
    return Outcome(record.setup_ms, f"{heard}; between peers only TLS", record.messages + record.media,
                   record.started)
