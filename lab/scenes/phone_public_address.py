"""dave has alice's account at example.org in his phone too: registered through the overlay, called by carol."""
import time

from lab import capture, checks
from lab.call import ring_and_talk
from lab.scenes import Outcome
from lab.stage import DOMAIN, Stage
from lab.world import Failure, wait_for

ID = "9-phone-public-address"
TITLE = "dave's phone registers a public address through the overlay, carol calls that (draft 5.4)"
COLUMNS = ("dave", "peer-a", "peer-d", "peer-e", "sip.example.org", "sip.example.com", "carol")
PUBLIC = "dave@example.org"


def play(stage: Stage) -> Outcome:
    started = time.time()
    stage.dave.add_account(stage.account(PUBLIC, "peer-a"))
    wait_for(lambda: stage.example_org.registered("dave"), 5, f"{PUBLIC} to be registered at sip.example.org")
    contact = _expect_overlay_contact(stage, started)
    record, heard = ring_and_talk(stage, stage.carol, stage.dave, f"sip:{PUBLIC}")
    checks.everywhere(stage, record.packets, record.messages)
    recorded = checks.crossing_recorded(stage, record.on_wire())
    return Outcome(record.setup_ms, f"registered with contact {contact}; {heard}; {recorded}",
                   _registration(stage, started) + record.messages + record.media, started)


def _registration(stage: Stage, started: float) -> list:
    """The REGISTER transactions for the public address, on the wire and in the peers' links."""
    packets = stage.capture.since(started)
    on_wire = [m for m in capture.messages(packets) if m.method == "REGISTER" and PUBLIC in m.get("to")]
    calls = {m.call_id for m in on_wire}
    return on_wire + [m for m in stage.overlay.trace(started, packets) if m.call_id in calls]


def _expect_overlay_contact(stage: Stage, started: float) -> str:
    server = stage.example_org.host.address
    sent = [m for m in _registration(stage, started) if m.target.startswith(server + ":") and not m.status]
    if not sent:
        raise Failure("expected a REGISTER from a proxy peer at sip.example.org; none was on the wire")
    contacts = [checks.uri_of(value) for value in sent[-1].all("contact")]
    if contacts != [f"sip:dave@{DOMAIN}"]:
        raise Failure(f"expected the overlay's URL sip:dave@{DOMAIN} as Contact at sip.example.org; came: {contacts}")
    return contacts[0]
