"""The demo: builds the world, plays the scenes, draws each from what was on the wire, says what passed.

    python3 -m lab.run            plays, then keeps the world up until Ctrl-C
    python3 -m lab.run --once     plays, then ends: status 0 if everything passed
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Optional

from lab import causeway, diagram, scenes, world
from lab.figures import Figure
from lab.stage import DOMAIN, PASSWORDS, PEERS, RELAYS, Stage, label

RELAYED_SECONDS = 60
FAILURES = (world.Failure, OSError, subprocess.SubprocessError)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="run", description=__doc__.partition("\n")[0])
    parser.add_argument("--once", action="store_true", help="end after the scenes, with status 0 if all passed")
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write the results to FILE, as JSON")
    parser.add_argument("--scene", action="append", metavar="ID", help="play only this one (may be repeated)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="copy logs, capture and recordings to DIR")
    parser.add_argument("--quiet", action="store_true", help="no diagrams")
    parser.add_argument("--relayed", type=float, default=RELAYED_SECONDS, metavar="SECONDS",
                        help="how long media are relayed, beside the other scenes (default %(default)g)")
    parser.add_argument("--rootless", action="store_true", help="use a user namespace although we are root")
    options = parser.parse_args()
    known = {scene.ID: scene for scene in scenes.all_scenes()}
    options.play = []
    for wanted in options.scene or known:
        fitting = [known[wanted]] if wanted in known else [scene for name, scene in known.items()
                                                           if name.startswith(wanted + "-")]
        if not fitting:
            parser.error(f"expected --scene to be one of {', '.join(known)}; came: {wanted}")
        options.play += fitting
    for name in ("report", "keep"):  # the world may have another working directory
        if getattr(options, name):
            setattr(options, name, getattr(options, name).absolute())
    return options


class Player:
    """Plays the scenes one after the other on one stage and collects what the report says."""

    def __init__(self, stage: Stage, options: argparse.Namespace):
        self.stage = stage
        self.options = options
        self.flows: list = []

    def play(self) -> bool:
        for scene in self.options.play:
            if hasattr(scene, "begin"):
                self._begin(scene)
        for scene in self.options.play:
            self._play(scene)
        return all(flow["ok"] for flow in self.flows)

    def _begin(self, scene) -> None:
        """What goes wrong is said when the scene's turn comes."""
        try:
            self.stage.begun[scene.ID] = scene.begin(self.stage)
        except FAILURES as failure:
            self.stage.begun[scene.ID] = failure

    def _play(self, scene) -> None:
        say(f"\n{scene.TITLE}")
        flow = {"id": scene.ID, "title": scene.TITLE, "ok": False, "setup_ms": None, "detail": ""}
        self.flows.append(flow)
        started = time.time()
        try:
            begun = self.stage.begun.get(scene.ID)
            if isinstance(begun, Exception):
                raise begun
            outcome = scene.play(self.stage)
            flow.update(ok=True, setup_ms=round(outcome.setup_ms, 1), detail=outcome.detail)
            self._draw(scene, outcome.items, outcome.started, outcome.figure)
        except FAILURES as failure:
            flow["detail"] = str(failure)
            self._draw_failed(scene, started)
        say(f"  {'passed' if flow['ok'] else 'FAILED'}: {flow['detail']}")
        try:
            self.stage.restore()
        except FAILURES as failure:
            flow.update(ok=False, detail=f"{flow['detail']}; then the world could not be restored: {failure}")
            say(f"  FAILED afterwards: {failure}")

    def _draw(self, scene, items: list, started: float, figure: Optional[Figure] = None) -> None:
        if not self.options.quiet:
            say(diagram.draw(self.stage.columns(scene.COLUMNS), items, started, figure.of if figure else None))

    def _draw_failed(self, scene, started: float) -> None:
        """What there was, for whoever has to find the reason."""
        from lab import stun
        try:
            packets = self.stage.capture.since(started)
            self._draw(scene, self.stage.messages(started, packets) + self.stage.overlay.asked(started)
                       + stun.allocations(packets) + stun.checks(packets) + stun.media(packets), started)
        except (world.Failure, OSError) as failure:
            say(f"  (no diagram: {failure})")


def say(text: str) -> None:
    print(text, flush=True)


def table(flows: list) -> str:
    width = max(len(flow["title"]) for flow in flows)
    lines = [f"{'scene':{width}}  result  setup"]
    for flow in flows:
        setup = f"{flow['setup_ms']:6.1f} ms" if flow["setup_ms"] is not None else "     -"
        lines.append(f"{flow['title']:{width}}  {'passed' if flow['ok'] else 'FAILED'}  {setup}")
    passed = sum(flow["ok"] for flow in flows)
    return "\n".join(lines + [f"{passed} of {len(flows)} passed"])


def how_to_reach(stage: Stage) -> str:
    enter = f"nsenter -t {world.OUTER_PID} -a"
    lines = ["\nThe world stays up until Ctrl-C.", "", "hosts (the switch is 198.51.100.0/24; the others are behind NATs):"]
    roles = {name: f"  ({of})" for name, (_, of) in {**PEERS, **RELAYS}.items()}
    lines += [f"  {host.address:15}  {label(name)}{roles.get(name, '')}" for name, host in stage.world.hosts.items()]
    lines += ["accounts:"] + [f"  sip:{user}@{domain}  password {PASSWORDS[user]}" for user, domain in (
        ("dave", DOMAIN), ("erin", DOMAIN), ("carol", "example.com"), ("alice", "example.org"), ("dave", "example.org"))]
    peer = stage.overlay["peer-c"]
    lines += ["a shell inside, and one on alice's host:", f"  {enter}", f"  {enter} ip netns exec alice bash",
              "what the overlay knows:",
              f"  {enter} {causeway.program()} lookup sip:alice@{DOMAIN} --socket {peer.socket}",
              f"  {enter} {causeway.program()} lookup turn:{DOMAIN} --socket {peer.socket}",
              "logs, capture (wire.pcap), recordings:", f"  /proc/{world.OUTER_PID}/root{world.STATE}"]
    return "\n".join(lines)


def keep(options: argparse.Namespace, failed: bool) -> None:
    if options.keep or failed:
        folder = options.keep or Path(tempfile.mkdtemp(prefix="causeway-lab-"))
        world.keep_state(folder)
        say(f"logs, capture and recordings are kept in {folder}")


def perform(options: argparse.Namespace) -> int:
    """Process 1 of the world."""
    failed, up = True, False
    flows: list = []
    try:
        began = time.monotonic()
        stage = Stage(options.relayed)
        say(f"world up after {time.monotonic() - began:.1f} s: {len(PEERS)} peers and {len(RELAYS)} relays of {DOMAIN}, "
            "example.com, example.org, alice and bob behind NATs, carol, dave, erin")
        if not options.quiet:
            say("in the diagrams: - what the wire shows, ~ SIP and questions to the overlay inside TLS, = media and checks "
                "of ICE;\nin the draft's own calls, (n) is the step in its figure")
        player = Player(stage, options)
        flows = player.flows
        failed = not player.play()
        say(f"\n{table(flows)}")
        if not options.once:
            up = True
            say(how_to_reach(stage))
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        say("\nstopped" if up else "\nstopped before the end")
        if not up:
            return 130
    except Exception as failure:
        say(f"FAILED: {failure}" if isinstance(failure, world.Failure) else traceback.format_exc())
        flows = flows or [{"id": "world", "title": "the world comes up", "ok": False, "setup_ms": None,
                           "detail": str(failure)}]
    finally:
        write_report(options.report, flows)
    keep(options, failed)
    return 1 if failed else 0


def write_report(file: Optional[Path], flows: list) -> None:
    if file:
        ok = bool(flows) and all(flow["ok"] for flow in flows)
        file.write_text(json.dumps({"ok": ok, "flows": flows}, indent=2) + "\n")


def main() -> int:
    options = arguments()
    try:
        causeway.program()
    except world.Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    return world.enter(lambda: perform(options), options.rootless)


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    sys.exit(main())
