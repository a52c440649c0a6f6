"""dave has alice's account at example.org in his phone too: registered through the overlay, called by carol."""
import time

from lab import checks
from lab.call import ring_and_talk
from lab.scenes import Outcome
from lab.stage import Stage
from lab.world import wait_for

ID = "9-phone-public-address"
TITLE = "dave's phone registers a public address through the overlay, carol calls that (draft 5.4)"
COLUMNS = ("dave", "peer-a", "peer-d", "peer-e", "sip.example.org", "sip.example.com", "carol")
PUBLIC = "dave@example.org"


def play(stage: Stage) -> Outcome:
    started = time.time()
    stage.dave.add_account(stage.account(PUBLIC, "peer-a"))
    wait_for(lambda: stage.example_org.registered("dave"), 5, f"{PUBLIC} to be registered at sip.example.org")
    contact = checks.overlay_contact(stage, checks.registration(stage, started, PUBLIC), "dave")
    record, heard = ring_and_talk(stage, stage.carol, stage.dave, f"sip:{PUBLIC}")
    checks.everywhere(stage, record.packets, record.messages)
    recorded = checks.crossing_recorded(stage, record.on_wire())
    return Outcome(record.setup_ms, f"registered with contact {contact}; {heard}; {recorded}",
                   checks.registration(stage, started, PUBLIC) + record.messages + record.media, started)
