"""The scenes of the demo, as ./run --once plays them, and once more without root."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab import scenes

pytestmark = pytest.mark.causeway
ROOT = Path(__file__).resolve().parents[2]
IDS = [scene.ID for scene in scenes.all_scenes()]


RUNS = {"as-is": [], "rootless": ["--rootless", "--relayed", "10"]}


@pytest.fixture(scope="module", params=[pytest.param(more, id=name, marks=pytest.mark.xdist_group(name))
                                        for name, more in RUNS.items()])
def demo(request, tmp_path_factory):
    """(status, what was printed, report) of one run of all scenes."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run([sys.executable, "-m", "lab.run", "--once", "--report", folder / "report.json",
                           *request.param], cwd=ROOT, capture_output=True, text=True, timeout=240)
    return done.returncode, done.stdout + done.stderr, json.loads((folder / "report.json").read_text())


@pytest.mark.parametrize("scene", IDS)
def test_scene(demo, scene):
    _, printed, report = demo
    flow = next(flow for flow in report["flows"] if flow["id"] == scene)
    assert flow["ok"], f"{flow['detail']}\n{printed}"
    assert 0 < flow["setup_ms"] < 5000


def test_the_demo_says_the_same_everywhere(demo):
    status, printed, report = demo
    assert status == 0 and report["ok"] is True
    assert [flow["id"] for flow in report["flows"]] == IDS
    assert f"{len(IDS)} of {len(IDS)} passed" in printed and printed.count("INVITE") > 10
