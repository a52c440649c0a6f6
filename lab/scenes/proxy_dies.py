"""The proxy peer that carol's call came through is killed; her BYE finds the other one."""
from lab import checks
from lab.call import Call
from lab.scenes import Outcome
from lab.stage import DOMAIN, Stage, label
from lab.world import Failure

ID = "5-proxy-dies"
TITLE = "carol calls dave, the proxy peer is killed while they talk, carol hangs up"
COLUMNS = ("dave", "peer-a", "peer-d", "peer-e", "sip.example.com", "carol")


def play(stage: Stage) -> Outcome:
    call = Call(stage, stage.carol, stage.dave, f"sip:dave@{DOMAIN}")
    heard = call.talk()
    killed = _entrance(stage, call.seen().messages, "INVITE")
    stage.overlay[killed].kill()
    took = call.hang_up(stage.carol, seconds=15)
    record = call.record()
    checks.everywhere(stage, record.packets, record.messages)
    checks.crossing_recorded(stage, record.on_wire())
    other = _entrance(stage, record.messages, "BYE", but=killed)
    return Outcome(record.setup_ms, f"{heard}; {label(killed)} killed, BYE reached dave through {label(other)} "
                   f"after {took / 1000:.1f} s", record.messages + record.media, record.started)


def _entrance(stage: Stage, messages: list, method: str, but: str = "") -> str:
    """The peer that a request from outside came to."""
    names = [stage.world.name_of(m.target.rpartition(":")[0])
             for m, leaving in checks.crossings(stage, messages) if m.method == method and not leaving]
    found = [name for name in names if name != but]
    if not found:
        raise Failure(f"expected {method} to come from outside to a proxy peer{' other than ' + but if but else ''}; "
                      f"it went to: {', '.join(names) or 'none'}")
    return found[0]
