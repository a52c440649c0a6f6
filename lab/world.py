"""A private internet: hosts on one switch, seen by nobody else, gone when its process ends.

enter(body) forks a keeper, which moves into new network, mount and process-id namespaces (and a user
namespace where we are not root) and forks again; that child is process 1 of the world and runs
body(). Nothing has to be cleaned up, ever: when process 1 ends, or any of the three is killed with
-9, the kernel ends every process of the world, and with the last of them go its interfaces, its
hosts and its /run (a tmpfs, where all state is kept). Worlds run side by side.

Inside, World is the switch br0 (198.51.100.1, where a capture sees everything), Host a network
namespace with one leg on it (or on the switch inside a NAT, lab/nat.py), Program something that runs on a host.
"""
import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Sequence

from lab import system

PREFIX = "198.51.100."
PREFIX6 = "2001:db8:1::"
NAME_SERVER = PREFIX + "53"
STATE = Path("/run/world")


class Failure(Exception):
    """Something expected did not come; the text says what was expected and what came."""


def wait_for(condition: Callable, seconds: float, what: str, came: Callable = lambda: ""):
    """Calls condition until it returns something true, which is returned; Failure after `seconds`."""
    end = time.monotonic() + seconds
    pause = 0.005
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            seen = came()
            raise Failure(f"expected {what} within {seconds:g} s" + (f"; came: {seen}" if seen else ""))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def keep_state(folder: Path) -> None:
    """Copies everything the world has written: logs, captures, configurations, recordings."""
    def not_files(where, names):
        return [name for name in names if name == "tone.wav" or not _copyable(Path(where) / name)]
    shutil.copytree(STATE, folder, dirs_exist_ok=True, ignore=not_files)


def _copyable(path: Path) -> bool:
    return path.is_dir() or (path.is_file() and os.access(path, os.R_OK))


# ---------------------------------------------------------------------------------- entering

OUTER_PID = 0  # process 1 of the world, as the machine outside numbers it

def enter(body: Callable[[], Optional[int]], rootless: bool = False) -> int:
    """Runs body() as process 1 of a new world and returns its exit status (None counts as 0).

    SIGINT, SIGTERM and SIGHUP are handed on to body, where they raise KeyboardInterrupt.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    keeper = os.fork()
    if keeper == 0:
        _exit_with(lambda: _keep(body, rootless or os.geteuid() != 0))
    return _wait_forwarding(keeper)


def _exit_with(work: Callable[[], Optional[int]]) -> None:
    status = 70
    try:
        status = work() or 0
    except KeyboardInterrupt:
        status = 130
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _wait_forwarding(child: int) -> int:
    def forward(number, _frame):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, forward) for number in numbers]
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def _keep(body: Callable[[], Optional[int]], user_namespace: bool) -> int:
    parent = os.getppid()
    system.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        return 70
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a phone that crashes leaves no file where we were called
    os.setpgrp()  # Ctrl-C comes once, handed on by the process that waits, not again from the terminal
    uid, gid = os.geteuid(), os.getegid()
    flags = system.CLONE_NEWNET | system.CLONE_NEWNS | system.CLONE_NEWPID
    system.unshare(flags | (system.CLONE_NEWUSER if user_namespace else 0))
    if user_namespace:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    first = os.fork()
    if first == 0:
        _exit_with(lambda: _run_first(body))
    return _wait_forwarding(first)


def _run_first(body: Callable[[], Optional[int]]) -> Optional[int]:
    system.die_with_parent(signal.SIGKILL)

    def interrupt(_number, _frame):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    _prepare_mounts()
    _prepare_switch()
    return body()


def _prepare_mounts() -> None:
    global OUTER_PID
    OUTER_PID = int(os.readlink("/proc/self"))  # the old /proc still counts as outside
    system.mount("none", "/", flags=system.MS_REC | system.MS_PRIVATE)
    system.mount("proc", "/proc", "proc")
    resolv = os.path.realpath("/etc/resolv.conf")  # may point into /run
    system.mount("tmpfs", "/run", "tmpfs")
    STATE.mkdir()
    STATE.chmod(0o755)
    Path("/run/netns").mkdir()
    mine = STATE / "resolv.conf"
    mine.write_text(f"nameserver {NAME_SERVER}\noptions timeout:1 attempts:2\n")
    if not os.path.exists(resolv):
        os.makedirs(os.path.dirname(resolv), exist_ok=True)
        Path(resolv).touch()
    system.mount(str(mine), resolv, flags=system.MS_BIND)


def _prepare_switch() -> None:
    ip_batch("link set lo up",
             "link add br0 type bridge forward_delay 0 mcast_snooping 0",
             f"addr add {PREFIX}1/24 dev br0", f"addr add {PREFIX6}1/64 dev br0 nodad", "link set br0 up")


def ip_batch(*lines: str, host: str = "") -> None:
    command = ["ip"] + (["-n", host] if host else []) + ["-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines) + "\n", text=True, capture_output=True)
    if done.returncode != 0:
        raise Failure(f"expected {' '.join(command)} to succeed; came: {done.stderr.strip()}")


# ------------------------------------------------------------------------------ what is inside

def in_host(host: str, *arguments: str) -> list:
    """The command that runs this one on the host of that name; "" is the world itself."""
    return ([] if not host else ["nsenter", f"--net=/run/netns/{host}"]) + [str(argument) for argument in arguments]


@contextlib.contextmanager
def inside(host: str):
    """While it lasts, this thread makes its sockets on the host of that name; "" is the world itself."""
    if not host:
        yield
        return
    with open(f"/run/netns/{host}") as there, open("/proc/thread-self/ns/net") as here:
        system.setns(there.fileno(), system.CLONE_NEWNET)
        try:
            yield
        finally:
            system.setns(here.fileno(), system.CLONE_NEWNET)


class Program:
    """A running program; its output goes to a log. Ends with the world, or by stop() or kill()."""

    def __init__(self, tag: str, arguments: Sequence[str], log: Path, **more):
        self.tag = tag
        self.log = log
        with open(log, "ab") as output:
            more.setdefault("stdin", subprocess.DEVNULL)
            self.process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, **more)

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def memory(self) -> int:
        """Bytes that it has written itself: not its text, which is private too once no other world runs the same program."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return 1024 * int(re.search(r"^Anonymous:\s+(\d+)", text, re.M)[1])

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 6) -> str:
        return "\n".join(self.output().splitlines()[-lines:])

    def require_alive(self) -> None:
        if not self.alive():
            raise Failure(f"expected {self.tag} to keep running; it ended with status "
                          f"{self.process.returncode} and said:\n{self.tail()}")

    def stop(self, seconds: float = 5) -> None:
        """SIGTERM, then SIGKILL if it has not ended in time."""
        if self.alive():
            self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def wait_until(self, ready: Callable, seconds: float, what: str):
        """wait_for, which gives up at once when the program has ended."""
        def look():
            self.require_alive()
            return ready()
        return wait_for(look, seconds, what, came=lambda: f"{self.tag} said:\n{self.tail()}")


@dataclass(frozen=True)
class Network:
    """A switch, and the addresses of the hosts on it; number 1 is the way out."""
    prefix: str
    prefix6: str  # "": IPv4 only
    bridge: str
    owner: str = ""  # the host that the switch is in; "": the world itself, where a capture sees everything


PUBLIC = Network(PREFIX, PREFIX6, "br0")


class Host:
    """A machine with one address on a switch."""

    def __init__(self, name: str, number: int, network: Network = PUBLIC):
        self.name = name
        self.network = network
        self.address = f"{network.prefix}{number}"
        self.address6 = f"{network.prefix6}{number}" if network.prefix6 else ""
        self.port = f"port{number}"  # its plug at the switch
        subprocess.run(["ip", "netns", "add", name], check=True)
        ip_batch(f"link add {self.port} type veth peer name eth0 netns {name}",
                 f"link set {self.port} master {network.bridge} up", host=network.owner)
        # Several datagrams that leave in one piece (UDP_SEGMENT) would cross the switch, and be captured, as one.
        ip_batch("link set lo up", "link set eth0 gso_max_segs 1", host=name)
        self.bring_up()

    def bring_up(self) -> None:
        """Addresses and route of its interface, which a link that goes down loses."""
        six = [f"addr add {self.address6}/64 dev eth0 nodad"] if self.address6 else []
        ip_batch(f"addr replace {self.address}/24 dev eth0", *six, "link set eth0 up",
                 f"route replace default via {self.network.prefix}1", host=self.name)

    def start(self, tag: str, *arguments: str, **more) -> Program:
        return Program(tag, in_host(self.name, *arguments), STATE / f"{tag}.log", **more)

    def run(self, *arguments: str, seconds: float = 10, check: bool = True, **more):
        done = subprocess.run(in_host(self.name, *arguments), capture_output=True, text=True, timeout=seconds, **more)
        if check and done.returncode != 0:
            raise Failure(f"expected `{' '.join(map(str, arguments))}` to succeed on {self.name}; it ended with "
                          f"{done.returncode} and said: {(done.stderr or done.stdout).strip()}")
        return done

    def inside(self):
        """While it lasts, this thread makes its sockets on this host."""
        return inside(self.name)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_DGRAM) -> socket.socket:
        with self.inside():
            return socket.socket(family, kind)

    def plug(self, up: bool = True) -> None:
        """Pulls the cable (up=False) or puts it back."""
        ip_batch(f"link set {self.port} {'up' if up else 'down'}", host=self.network.owner)

    def lose(self, percent: int) -> None:
        """From now on, so many of a hundred packets that come to this host are lost on the way; 0: none."""
        self.nft("add table inet loss", "delete table inet loss")
        if percent:
            self.nft("table inet loss {", "  chain arriving {", "    type filter hook prerouting priority raw;",
                     f"    iifname != lo numgen random mod 100 < {percent} counter drop;", "  }", "}")

    def nft(self, *lines: str) -> None:
        """Rules for the packet filter of this host."""
        self.run("nft", "-f", "-", input="\n".join(lines) + "\n")


class World:
    """Made by body() inside enter(): keeps the hosts by name."""

    def __init__(self):
        if os.getpid() != 1:
            raise Failure("expected World() inside enter(); this process is not the first of a world")
        self.hosts = {}

    def host(self, name: str, number: int = 0, network: Network = PUBLIC) -> Host:
        """The host of that name; a new one, with that number on that network, if there is none yet."""
        if name not in self.hosts:
            self.hosts[name] = Host(name, number, network)
        return self.hosts[name]

    def name_of(self, address: str) -> str:
        for host in self.hosts.values():
            if address and address in (host.address, host.address6):
                return host.name
        return address
