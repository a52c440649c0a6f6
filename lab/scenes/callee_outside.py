"""The call leaves the overlay; carol's phone does not know ICE, and media comes to it from alice's relay."""
from lab.scenes import Outcome, draft
from lab.stage import Stage

ID = "2-callee-outside"
TITLE = "alice calls carol@example.com (draft 5.2)"
COLUMNS = draft.OUTSIDE + ("sip.example.com", "carol")


def play(stage: Stage) -> Outcome:
    return draft.callee_outside(stage, ice=False)
