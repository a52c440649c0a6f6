"""Servers under measurement: started, waited for, and asked what they cost.

CPU time is user and system time of the server's processes, memory their proportional set size, both from /proc.
Everything runs inside bench/inside, so there is one server on a port and nobody else's.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = "p2p.test"
CAUSEWAY = os.environ.get("CAUSEWAY", str(ROOT / "build/release/causeway"))
LOAD = str(ROOT / "build/release/load")
SIP_PORT = 5060


def tree(pid):
    """The process and all below it."""
    pids = [pid]
    for one in pids:
        try:
            with open(f"/proc/{one}/task/{one}/children") as f:
                pids += [int(p) for p in f.read().split()]
        except OSError:
            pass
    return pids


def cpu_seconds(*pids):
    """User and system time of the processes and all below them, to the nanosecond."""
    total = 0
    for one in (each for pid in pids for each in tree(pid)):
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0])
        except OSError:
            pass
    return total / 1e9


def memory_kb(*pids):
    total = 0
    for one in (each for pid in pids for each in tree(pid)):
        try:
            with open(f"/proc/{one}/smaps_rollup") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))
        except (OSError, AttributeError):
            pass
    return total


def listening(address, port):
    """Whether somebody has this UDP port, by /proc."""
    number = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))
    with open("/proc/net/udp") as f:
        return any(line.split()[1] == f"{number}:{port:04X}" for line in f.readlines()[1:])


class Server:
    """A SIP server at UDP address:port, for the length of a `with`."""

    patience = 10  # seconds until it listens

    def __init__(self, name, command, address="127.0.0.1", port=SIP_PORT):
        self.name, self.command, self.at = name, [str(word) for word in command], (address, port)

    @property
    def pid(self):
        return self.process.pid

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        end = time.monotonic() + self.patience
        while not listening(*self.at):
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{self.name} did not start:\n{self.said()}")
            time.sleep(0.05)
        time.sleep(0.5)
        return self

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            for pid in reversed(tree(self.pid)):
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
        end = time.monotonic() + 10
        while listening(*self.at) and time.monotonic() < end:
            time.sleep(0.05)


def causeway(workers=1, address="127.0.0.1", settings=()):
    """A throwaway domain of one peer: open registration, as Kamailio's here."""
    more = [*settings, *([f"peer.workers={workers}"] if workers > 1 else [])]
    return Server("causeway", [CAUSEWAY, "try", DOMAIN, "--listen", f"{address}:{SIP_PORT}",
                               *(word for setting in more for word in ("--set", setting))], address)


def kamailio(workers=1, template=ROOT / "bench/rig/kamailio.cfg", values=None, address="127.0.0.1", name="kamailio"):
    """Kamailio with `template`, whose @NAMES@ are filled in, and this many workers for UDP and for TCP."""
    text = re.sub(r"^((?:tcp_)?children)=.*$", rf"\1={workers}", Path(template).read_text(), flags=re.M)
    for key, value in (values or {}).items():
        text = text.replace(f"@{key}@", str(value))
    folder = Path(tempfile.mkdtemp(prefix="kamailio.", dir=os.getcwd()))
    (folder / "kamailio.cfg").write_text(text)
    return Server(name, ["kamailio", "-f", folder / "kamailio.cfg", "-DD", "-E", "-m", "512", "-M", "64", "-Y", folder,
                         "-w", folder, "-P", folder / "pid"], address)


def output(*words):
    """What a command prints; it must succeed."""
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True, timeout=30).stdout
