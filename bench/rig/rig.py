#!/usr/bin/env python3
"""The rig: the same registrations and calls through Causeway and through Kamailio, in turn.

    bench/rig/run                        3 rounds, calls offered at 1000, 2000 and 3000 a second
    bench/rig/run --rounds 5 --rates 2000,4000
    bench/rig/run --only causeway        one server, for a look at a change
    bench/rig/run --json FILE            the figures, for a plot

10,000 users register at SIPp's address, register again, and are called: INVITE 180 200 ACK BYE 200 over UDP
through a stateful, record-routing proxy. What is counted is the CPU time (user and system) that the server's
processes take, from /proc, and their memory (proportional set size). A machine's speed drifts, so the servers
are measured in turn and the ratio of medians is what counts.

Everything runs in a network namespace of its own: no port of this machine is touched.
"""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
USERS = 10_000
CALL_SECONDS = 8
TICKS = os.sysconf("SC_CLK_TCK")
DOMAIN = "p2p.test"


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


def cpu_seconds(pid):
    total = 0
    for one in tree(pid):
        try:
            with open(f"/proc/{one}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICKS


def memory_kb(pid):
    total = 0
    for one in tree(pid):
        try:
            with open(f"/proc/{one}/smaps_rollup") as f:
                total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))
        except (OSError, AttributeError):
            pass
    return total


class Server:
    """A SIP server on 127.0.0.1:5060, started for one round."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        end = time.monotonic() + 10
        while not self.listening():
            if self.process.poll() is not None or time.monotonic() > end:
                self.log.seek(0)
                sys.exit(f"{self.name} did not start:\n" + self.log.read().decode(errors="replace")[-2000:])
            time.sleep(0.05)
        time.sleep(0.5)
        return self

    @staticmethod
    def listening():
        with open("/proc/net/udp") as f:
            return any(line.split()[1].endswith(":13C4") for line in f.readlines()[1:])

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for pid in reversed(tree(self.process.pid)):
                os.kill(pid, signal.SIGKILL)
            self.process.wait()
        end = time.monotonic() + 10
        while self.listening() and time.monotonic() < end:
            time.sleep(0.05)


def servers(args):
    causeway = os.environ.get("CAUSEWAY", os.path.join(ROOT, "build", "release", "causeway"))
    known = {
        "causeway": [causeway, "try", DOMAIN, "--listen", "127.0.0.1:5060"],
        "kamailio": ["kamailio", "-f", os.path.join(HERE, "kamailio.cfg"), "-DD", "-E", "-m", "512", "-M", "64"],
    }
    return [Server(name, command) for name, command in known.items() if args.only in (None, name)]


def sipp(*arguments, wanted, timeout):
    """Runs a SIPp; (successful, failed). What has not ended in time (SIPp never gives up a lost 200) has failed."""
    process = subprocess.Popen(["sipp", *arguments, "-m", str(wanted), "-i", "127.0.0.1", "-nostdin"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        text = process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        text = process.communicate()[0]
    found = re.findall(r"Successful call\s+\|\s+\d+\s+\|\s+(\d+)", text.decode(errors="replace"))
    good = int(found[-1]) if found else 0
    return good, wanted - good


def measured(server, work):
    before = cpu_seconds(server.process.pid)
    good, failed = work()
    spent = cpu_seconds(server.process.pid) - before
    return {"ok": good, "failed": failed, "per_cpu_second": good / spent if spent else 0.0}


def play(server, users, rates):
    """One round: figures by the name of the work."""
    target = "127.0.0.1:5060"
    figures = {}
    for kind in ("first registrations", "refreshing registrations"):
        figures[kind] = measured(server, lambda: sipp(
            "-sf", f"{HERE}/reg.xml", "-inf", users, target, "-p", "5070", "-r", "4000",
            wanted=USERS, timeout=30))
    uas = subprocess.Popen(["sipp", "-sf", f"{HERE}/uas.xml", "-i", "127.0.0.1", "-p", "5080", "-nostdin"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        for rate in rates:
            figures[f"calls at {rate}/s"] = measured(server, lambda r=rate: sipp(
                "-sf", f"{HERE}/uac.xml", "-inf", users, target, "-p", "5090", "-r", str(r),
                wanted=r * CALL_SECONDS, timeout=CALL_SECONDS * 3))
    finally:
        uas.terminate()
        uas.wait()
    figures["memory, kB"] = {"ok": memory_kb(server.process.pid), "failed": 0,
                             "per_cpu_second": memory_kb(server.process.pid)}
    return figures


def table(rounds):
    """rounds: {server: [figures, ...]}"""
    names = list(rounds)
    works = list(rounds[names[0]][0])
    head = f"{'':26}" + "".join(f"{n + ' (spread)':>30}{'failed':>9}" for n in names)
    print(head + (f"{'ratio':>8}" if len(names) == 2 else ""))
    for work in works:
        line, medians = f"{work:26}", []
        for name in names:
            values = [r[work]["per_cpu_second"] for r in rounds[name]]
            failed = sum(r[work]["failed"] for r in rounds[name])
            medians.append(statistics.median(values))
            shown = f"{medians[-1]:,.0f} ({min(values):,.0f}..{max(values):,.0f})"
            line += f"{shown:>30}{failed:>9}"
        if len(names) == 2:
            line += f"{medians[0] / medians[1] if medians[1] else 0:>8.2f}"
        print(line)
    print("registrations and calls: per CPU second of the server, median of the rounds; ratio: first to second")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rates", default="1000,2000,3000")
    parser.add_argument("--only", choices=["causeway", "kamailio"])
    parser.add_argument("--json")
    args = parser.parse_args()
    if os.environ.get("CAUSEWAY_RIG_INSIDE") != "1":
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        os.environ["CAUSEWAY_RIG_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", *user, "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable,
                              os.path.abspath(__file__), *sys.argv[1:]])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    rates = [int(r) for r in args.rates.split(",")]
    folder = tempfile.mkdtemp(prefix="rig.")
    os.chdir(folder)
    try:
        with open("users.csv", "w") as f:
            f.write("SEQUENTIAL\n" + "".join(f"u{i};\n" for i in range(1, USERS + 1)))
        rounds = {}
        for number in range(args.rounds):
            for server in servers(args):
                with server:
                    print(f"round {number + 1}: {server.name}", file=sys.stderr, flush=True)
                    rounds.setdefault(server.name, []).append(play(server, os.path.abspath("users.csv"), rates))
        table(rounds)
        if args.json:
            with open(args.json, "w") as f:
                json.dump(rounds, f, indent=1)
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
