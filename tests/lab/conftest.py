"""Tests of the lab and of Causeway in it.

A test marked `world` runs as process 1 of a world of its own (lab.world.enter): what it starts is gone
when it ends. A test marked `causeway` needs the program and is skipped where it is not built.
"""
import os
import pickle
import sys
import tempfile
import time
import traceback
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lab import causeway, world  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "world: runs inside a world of its own")
    config.addinivalue_line("markers", "causeway: needs the causeway program")


def pytest_runtest_setup(item):
    if item.get_closest_marker("causeway"):
        try:
            causeway.program()
        except world.Failure as missing:
            pytest.skip(str(missing))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if pyfuncitem.get_closest_marker("world") is None:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    with tempfile.TemporaryFile() as channel:
        status = world.enter(lambda: _report(lambda: pyfuncitem.obj(**arguments), channel))
        channel.seek(0)
        data = channel.read()
    kind, text = pickle.loads(data) if data else ("fail", f"the world ended with status {status}")
    if kind == "skip":
        pytest.skip(text)
    if kind != "pass":
        pytest.fail(text, pytrace=False)
    return True


def _report(test, channel) -> int:
    """Runs the test inside and tells outside what became of it."""
    try:
        test()
        result = ("pass", "")
    except pytest.skip.Exception as skipped:
        result = ("skip", str(skipped))
    except world.Failure as failure:
        result = ("fail", f"{failure}\n{_where()}{_kept()}")
    except BaseException:
        result = ("fail", traceback.format_exc() + _kept())
    channel.write(pickle.dumps(result))
    channel.flush()
    return 0


def _where() -> str:
    frames = traceback.extract_tb(sys.exc_info()[2])
    mine = [frame for frame in frames if "/tests/" in frame.filename]
    return f"in {mine[-1].filename}:{mine[-1].lineno}: {mine[-1].line}\n" if mine else ""


def _kept() -> str:
    folder = Path(tempfile.mkdtemp(prefix="causeway-lab-"))
    os.chmod(folder, 0o755)
    time.sleep(0.3)  # dumpcap has up to a quarter of a second in its hands
    world.keep_state(folder)
    return f"logs are kept in {folder}"
