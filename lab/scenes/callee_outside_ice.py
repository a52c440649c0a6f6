"""The call leaves the overlay; carol's phone knows ICE, and media comes to it from alice's relay."""
from lab.scenes import Outcome, draft
from lab.stage import Stage

ID = "2-callee-outside-ice"
TITLE = "alice calls carol@example.com, with ICE (draft 5.2)"
COLUMNS = draft.OUTSIDE + ("sip.example.com", "carol")


def play(stage: Stage) -> Outcome:
    return draft.callee_outside(stage, ice=True)
