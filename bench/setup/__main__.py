"""How long the draft's calls take in the demo's world: from dialling to ringing, and from the answer to audio.

    bench/setup/run                   100 pairs of calls of each flow (40 minutes)
    bench/setup/run --flow 5.1 --flow 5.2-ice --calls 20
    bench/setup/run --report FILE     also every call, as JSON

A pair is a first call and one that follows at once. Before the first one its user agents have just been started and
the callee is a user whom nobody has called yet, so that nothing is known: relays, where the user is, names. The callee
picks up after 0.3 s. Calls follow each other; nothing else happens in the world. The status is 1 if a call has
failed.
"""
import argparse
import json
import math
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.setup.anatomy import anatomy
from lab import causeway, world
from lab.call import Call
from lab.scenes import draft
from lab.stage import DOMAIN, MEMBERS, Stage
from lab.ua import UserAgent

FORGOTTEN_SECONDS = 2.2  # answers of the lab's DNS are good for two
SETTLED_SECONDS = 0.3  # a user agent has its second link a moment after it is registered
RINGING_SECONDS = 0.3
AUDIO_SECONDS = 10
HEARD_SECONDS = 0.1  # some of it after the answer, which may reach the peer that notes it later than the first audio


@dataclass(frozen=True)
class Flow:
    title: str
    caller: str
    callee: str
    address: str  # to dial; {} is the callee's name in the overlay
    ice: bool = False  # at carol's phone
    public: bool = False  # the callee has a public address


FLOWS = {
    "5.1": Flow("alice calls bob", "alice", "bob", f"sip:{{}}@{DOMAIN}"),
    "5.2": Flow("alice calls carol", "alice", "carol", "sip:carol@example.com"),
    "5.2-ice": Flow("the same, carol with ICE", "alice", "carol", "sip:carol@example.com", ice=True),
    "5.3": Flow("carol calls alice", "carol", "alice", f"sip:{{}}@{DOMAIN}"),
    "5.3-ice": Flow("the same, carol with ICE", "carol", "alice", f"sip:{{}}@{DOMAIN}", ice=True),
    "5.4": Flow("carol calls alice's public address", "carol", "alice", draft.PUBLIC, public=True),
    "5.4-ice": Flow("the same, carol with ICE", "carol", "alice", draft.PUBLIC, ice=True, public=True),
}


class Player:
    """Plays the calls of one flow on a stage of its own."""

    def __init__(self, flow: Flow):
        self.flow = flow
        self.stage = Stage()
        self.dialled = 0.0  # the last first call
        self.caller, self.callee = (getattr(self.stage, name) for name in (flow.caller, flow.callee))
        self.agents = [talker for talker in (self.caller, self.callee) if isinstance(talker, UserAgent)]
        for peer in self.stage.overlay:
            world.wait_for(lambda: len(peer.relays()) == 3, 15, f"the relays to be found by {peer.name}")
        account = draft.ice_account(self.stage) if flow.ice else self.stage.carol.account
        self.stage.carol.restart(account.replace("answermode=auto", "answermode=manual"))

    def pair(self, number: int) -> list:
        """A first call, and another one."""
        user = f"{self.flow.callee}-{number}"
        for agent in self.agents:
            if agent is self.callee:
                self._rename(agent, user)
            os.truncate(agent.program.log, 0)
            public = agent is self.callee and self.flow.public
            agent.restart(*draft.public_account(self.stage) if public else ())
            if public:
                agent.wait_event("registered", 5, address=draft.PUBLIC)
        time.sleep(max(SETTLED_SECONDS, self.dialled + FORGOTTEN_SECONDS - time.time()))
        self.dialled = time.time()
        address = self.flow.address.format(user)
        return [{"call": kind, **self._call(address)} for kind in ("first", "again")]

    def _rename(self, agent: UserAgent, user: str) -> None:
        """From its next start on it is another user's."""
        _, peers, _ = MEMBERS[agent.name]
        overlay = self.stage.overlay
        bundle = overlay.authority.issue_user(user, [overlay[peer].overlay_address for peer in peers])
        agent.arguments = ("--bundle", str(bundle), "--relay-only", "--answer", str(RINGING_SECONDS))

    def _call(self, address: str) -> dict:
        for peer in self.stage.overlay:  # what has been read is in nobody's way
            os.truncate(peer.trace_file, 0)
        self.stage.capture.packets.clear()
        both = (self.caller, self.callee)
        try:
            call = Call(self.stage, *both, address, pick_up=self._pick_up)
            world.wait_for(lambda: all(talker.heard_seconds() >= HEARD_SECONDS for talker in both), AUDIO_SECONDS,
                           "audio at both ends")
            call.hang_up()
            return self._figures(call)
        except world.Failure as failure:
            for agent in self.agents:
                agent.hang_up()
            self.stage.carol.end_calls()
            return {"failed": str(failure)}

    def _pick_up(self) -> None:
        if self.callee is self.stage.carol:
            self.callee.wait_event("CALL_INCOMING", 5)
            time.sleep(RINGING_SECONDS)
            self.callee.command("accept")

    def _figures(self, call: Call) -> dict:
        def first(agent: UserAgent, event: str) -> float:
            for one in agent.events():
                if one["event"] == event and one["time"] >= int(call.started * 1000):
                    return one["time"] / 1000
            raise world.Failure(f"expected '{event}' of {agent.name}; it said:\n{agent.program.tail()}")
        ends = [self.stage.address(talker.name) for talker in (self.caller, self.callee)]
        nominated = [first(agent, "media") for agent in self.agents]
        figures = anatomy(call.record(), *ends, self.stage.overlay.addresses, nominated)
        played = {f"played by {agent.name}": first(agent, "first audio") - call.started for agent in self.agents}
        return {"dialled": call.started, **figures, **{name: round(1000 * time) for name, time in played.items()}}


def percentile(values: list, share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def shares(calls: list, wait: str) -> list:
    """Of the whole time that all calls waited, in percent."""
    whole = sum(sum(call[wait].values()) for call in calls)
    return [f"{100 * sum(call[wait][kind] for call in calls) / whole:.0f} %" for kind in calls[0][wait]]


def row(name: str, flow: Flow, kind: str, calls: list) -> str:
    def spread(values: list) -> str:
        return f"{percentile(values, 0.5):.0f}, {percentile(values, 0.95):.0f}"
    good = [call for call in calls if "failed" not in call]
    cells = [f"{name} {flow.title}" if kind == "first" else "", kind]
    if not good:
        return "| " + " | ".join(cells + ["all failed"]) + " |"
    heard = [spread([call[f"audio at {end}"] - call["answer"] for call in good]) for end in ("caller", "callee")]
    rings = spread([call["ring"] for call in good])
    cells += [rings, *shares(good, "dial to ring"), *heard, *shares(good, "answer to audio")[-2:]]
    return "| " + " | ".join(cells) + " |"


HEAD = """\
| | call | dial to ring, ms: p50, p95 | DNS | relays | target | ICE | SIP | answer to audio at the caller, ms \
| at the callee, ms | ICE | SIP, media |
|---|---|---|---|---|---|---|---|---|---|---|---|"""


def perform(name: str, number_of_calls: int, file: Path) -> int:
    """Process 1 of a world."""
    player = Player(FLOWS[name])
    file.write_text(json.dumps([call for number in range(number_of_calls) for call in player.pair(number)]))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/setup/run", description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=100, metavar="N", help="pairs of each flow (default %(default)s)")
    parser.add_argument("--flow", action="append", choices=FLOWS, help="only this one (may be repeated)")
    parser.add_argument("--report", type=Path, default=Path(os.devnull), help="every call, as JSON")
    options = parser.parse_args()
    report = options.report.absolute()
    causeway.program()
    found = {}
    with tempfile.TemporaryDirectory(prefix="setup.") as folder:
        for name in options.flow or FLOWS:
            file = Path(folder) / f"{name}.json"
            print(f"{name}: {FLOWS[name].title}", file=sys.stderr, flush=True)
            if world.enter(lambda: perform(name, options.calls, file)):
                return 1
            found[name] = json.loads(file.read_text())
    report.write_text(json.dumps(found, indent=1) + "\n")
    print(HEAD)
    failed = [call["failed"] for calls in found.values() for call in calls if "failed" in call]
    for name, calls in found.items():
        for kind in ("first", "again"):
            print(row(name, FLOWS[name], kind, [call for call in calls if call["call"] == kind]))
    print(f"\n{sum(map(len, found.values()))} calls, {len(failed)} failed", *failed, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    sys.exit(main())
