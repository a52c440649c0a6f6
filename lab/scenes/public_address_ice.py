"""alice has an account at example.org too, registered through the overlay; carol's phone knows ICE."""
from lab.scenes import Outcome, draft
from lab.stage import Stage

ID = "4-public-address-ice"
TITLE = "alice registers alice@example.org, carol calls that, with ICE (draft 5.4)"
COLUMNS = draft.OUTSIDE + ("sip.example.org", "sip.example.com", "carol")


def play(stage: Stage) -> Outcome:
    return draft.public_address(stage, ice=True)
