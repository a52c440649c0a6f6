"""The world itself: hosts reach each other and nobody else, and nothing of it outlives its first process."""
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import world
from lab.world import Failure, World, wait_for

ROOT = Path(__file__).resolve().parents[2]


def exchange(one, other) -> bytes:
    """What `other` receives of a datagram that `one` sends it."""
    with one.socket() as sender, other.socket() as receiver:
        receiver.bind((other.address, 7000))
        receiver.settimeout(2)
        sender.sendto(b"hello", (other.address, 7000))
        data, (source, _) = receiver.recvfrom(100)
        assert source == one.address
        return data


@pytest.mark.world
def test_hosts_reach_each_other_in_both_families():
    here = World()
    one, other = here.host("one", 101), here.host("a-host-with-a-long-name.example.com", 102)
    assert exchange(one, other) == b"hello"
    assert exchange(other, one) == b"hello"
    with other.socket(socket.AF_INET6) as receiver, one.socket(socket.AF_INET6) as sender:
        receiver.bind((other.address6, 7000))
        receiver.settimeout(2)
        sender.sendto(b"six", (other.address6, 7000))
        assert receiver.recvfrom(100)[0] == b"six"


@pytest.mark.world
def test_nothing_leads_out():
    here = World()
    one = here.host("one", 101)
    with one.socket() as probe, pytest.raises(OSError):
        probe.settimeout(0.3)
        probe.connect(("192.0.2.1", 53))
        probe.send(b"x")
        probe.recv(10)


@pytest.mark.world
def test_an_unplugged_host_is_silent():
    here = World()
    one, other = here.host("one", 101), here.host("other", 102)
    other.plug(False)
    with pytest.raises(TimeoutError):
        exchange(one, other)
    other.plug()
    wait_for(lambda: _reaches(one, other), 5, "the host to be back")


def _reaches(one, other) -> bool:
    try:
        return exchange(one, other) == b"hello"
    except (TimeoutError, OSError):
        return False


@pytest.mark.world
def test_a_program_that_ends_early_is_reported_with_its_words():
    here = World()
    program = here.host("one", 101).start("oops", "sh", "-c", "echo it went wrong; exit 3")
    with pytest.raises(Failure, match="(?s)status 3.*it went wrong"):
        program.wait_until(lambda: False, 5, "never")


def test_worlds_run_side_by_side():
    """Two at once with the same names and addresses; each sees its own."""
    script = ("import sys; sys.path.insert(0, %r)\n"
              "from lab import world\n"
              "def body():\n"
              "    host = world.World().host('same', 101)\n"
              "    print('up', flush=True); sys.stdin.readline()\n"
              "    print(len(world.World().hosts), host.run('ip', '-o', '-4', 'addr', 'show', 'eth0').stdout.split()[3])\n"
              "sys.exit(world.enter(body))\n") % str(ROOT)
    both = [subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(2)]
    assert [one.stdout.readline() for one in both] == ["up\n", "up\n"]
    for one in both:
        said, _ = one.communicate("\n", timeout=10)
        assert (one.returncode, said) == (0, "0 198.51.100.101/24\n")


def started_world(mark: str, rootless: bool) -> subprocess.Popen:
    script = ("import sys, time; sys.path.insert(0, %r)\n"
              "from lab import world\n"
              "def body():\n"
              "    host = world.World().host('one', 101)\n"
              "    host.start('sleeper', 'sh', '-c', 'sleep 1000; : %s')\n"
              "    print('up', flush=True)\n"
              "    time.sleep(1000)\n"
              "sys.exit(world.enter(body, %r))\n") % (str(ROOT), mark, rootless)
    outer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             text=True)
    assert outer.stdout.readline() == "up\n"
    return outer


def processes_with(mark: str) -> list:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if mark in (folder / "cmdline").read_text(errors="replace"):
                    found.append(folder.name)
            except OSError:
                pass  # it has just ended
    return found


def outside() -> tuple:
    """What a leftover would show in."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout
    names = sorted(line.split(":")[1].strip() for line in links.splitlines())
    return names, sorted(os.listdir("/run")), Path("/proc/mounts").read_text()


@pytest.mark.parametrize("rootless", [False, True], ids=["as-is", "user-namespace"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_nothing_is_left_behind(number, rootless):
    before = outside()
    mark = f"mark-{os.getpid()}-{number}-{rootless}"
    outer = started_world(mark, rootless)
    assert len(processes_with(mark)) >= 2  # the three of the world carry the mark too, in their script
    outer.send_signal(number)
    assert outer.wait(5) == (-9 if number == signal.SIGKILL else 130)
    wait_for(lambda: not processes_with(mark), 5, "every process of the world to end",
             came=lambda: " ".join(processes_with(mark)))
    assert outside() == before


def test_the_status_of_the_body_comes_back():
    assert world.enter(lambda: 7) == 7
    assert world.enter(lambda: None) == 0


def test_wait_for_says_what_was_expected_and_what_came():
    begin = time.monotonic()
    with pytest.raises(Failure, match="expected a miracle within 0.1 s; came: nothing"):
        wait_for(lambda: False, 0.1, "a miracle", came=lambda: "nothing")
    assert time.monotonic() - begin < 1
