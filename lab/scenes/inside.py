"""alice and bob are behind two different symmetric NATs; media crosses a relay of each."""
from lab.scenes import Outcome, draft
from lab.stage import RELAYS, Stage

ID = "1-inside"
TITLE = "alice calls bob, both behind symmetric NATs (draft 5.1)"
COLUMNS = ("alice", "peer-a", "peer-d", "peer-e", "peer-c", "peer-b", *RELAYS, "bob")


def play(stage: Stage) -> Outcome:
    return draft.inside(stage)
