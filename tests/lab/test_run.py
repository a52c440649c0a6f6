"""The demo as a command: reports, interruptions, a missing program."""
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import run
from lab.scenes import Outcome
from lab.world import Failure
from test_world import outside

ROOT = Path(__file__).resolve().parents[2]
FLOWS = [{"id": "1-x", "title": "a scene", "ok": True, "setup_ms": 12.5, "detail": "fine"},
         {"id": "2-y", "title": "another", "ok": False, "setup_ms": None, "detail": "expected more"}]


def start(*arguments, **environment) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "lab.run", *arguments], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **environment})


def read_until(process: subprocess.Popen, text: str) -> str:
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"expected '{text}'; it said:\n{said}")


def test_the_report_is_what_was_agreed(tmp_path):
    run.write_report(tmp_path / "report.json", FLOWS)
    assert json.loads((tmp_path / "report.json").read_text()) == {"ok": False, "flows": FLOWS}
    run.write_report(tmp_path / "report.json", FLOWS[:1])
    assert json.loads((tmp_path / "report.json").read_text())["ok"] is True
    run.write_report(tmp_path / "report.json", [])
    assert json.loads((tmp_path / "report.json").read_text())["ok"] is False


def test_the_table_says_what_passed():
    assert run.table(FLOWS).splitlines()[1:] == ["a scene  passed    12.5 ms", "another  FAILED       -",
                                                 "1 of 2 passed"]


def test_a_missing_program_is_named():
    process = start("--once", CAUSEWAY="/nowhere/causeway")
    said, _ = process.communicate(timeout=10)
    assert process.returncode == 1 and "/nowhere/causeway" in said and "Traceback" not in said


def test_an_unknown_scene_is_refused_with_the_known_ones():
    process = start("--once", "--scene", "99")
    said, _ = process.communicate(timeout=10)
    assert process.returncode == 2 and "1-inside" in said


@pytest.mark.causeway
@pytest.mark.parametrize("moment", ["world up", "passed"])
def test_ctrl_c_during_the_scenes_ends_everything(moment):
    before = outside()
    process = start("--once", "--quiet")
    read_until(process, moment)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=10)
    assert process.returncode == 130 and "Traceback" not in said
    assert outside() == before


@pytest.mark.causeway
def test_the_world_stays_up_until_ctrl_c():
    before = outside()
    process = start("--scene", "1", "--quiet")
    said = read_until(process, "/proc/")
    enter = next(line.split() for line in said.splitlines() if line.strip().endswith("-a"))
    hosts = subprocess.run([*enter, "ip", "netns"], capture_output=True, text=True, timeout=10).stdout.split()
    assert {"alice", "bob", "carol", "peer-a", "peer-e", "dns"} <= set(hosts)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0 and "Traceback" not in rest
    assert outside() == before


class Wire:
    """A capture on which nothing was seen."""
    def since(self, _start):
        return []


def player_of(*plays, quiet=False) -> run.Player:
    """A player of scenes that do just this, on a stage where nothing is."""
    acts = [SimpleNamespace(ID=f"{number}-act", TITLE=f"act {number}", COLUMNS=(), play=play)
            for number, play in enumerate(plays, 1)]
    stage = SimpleNamespace(capture=Wire(), columns=lambda _: [], restored=0, begun={},
                            messages=lambda *_: [], overlay=SimpleNamespace(asked=lambda _: []))

    def restore():
        stage.restored += 1
    stage.restore = restore
    return run.Player(stage, SimpleNamespace(play=acts, quiet=quiet))


def fail(_stage):
    raise Failure("expected a ring; came: silence")


def pass_(_stage):
    return Outcome(12.34, "it rang")


def test_a_scene_that_fails_says_why_and_the_next_one_is_played(capsys):
    player = player_of(fail, pass_)
    assert player.play() is False
    assert [(flow["ok"], flow["detail"], flow["setup_ms"]) for flow in player.flows] == [
        (False, "expected a ring; came: silence", None), (True, "it rang", 12.3)]
    assert "FAILED: expected a ring; came: silence" in capsys.readouterr().out
    assert player.stage.restored == 2


def test_what_runs_beside_the_others_is_begun_first_and_told_when_its_turn_comes(capsys):
    order = []
    player = player_of(lambda stage: order.append("one") or pass_(stage),
                       lambda stage: order.append(stage.begun["2-act"]) or pass_(stage), fail)
    player.options.play[1].begin = lambda stage: order.append("begin") or "what was begun"
    player.options.play[2].begin = fail
    assert player.play() is False
    assert order == ["begin", "one", "what was begun"]
    assert [flow["ok"] for flow in player.flows] == [True, True, False]
    assert "FAILED: expected a ring; came: silence" in capsys.readouterr().out


def test_a_scene_after_which_the_world_is_not_as_before_has_failed(capsys):
    player = player_of(pass_, quiet=True)
    player.stage.restore = lambda: fail(None)
    assert player.play() is False
    assert "could not be restored: expected a ring" in player.flows[0]["detail"]
