"""The call enters the overlay; carol's phone knows ICE, and media goes by alice's relay."""
from lab.scenes import Outcome, draft
from lab.stage import Stage

ID = "3-caller-outside-ice"
TITLE = "carol calls alice@p2psip.org, with ICE (draft 5.3)"
COLUMNS = draft.OUTSIDE + ("sip.example.com", "carol")


def play(stage: Stage) -> Outcome:
    return draft.caller_outside(stage, ice=True)
