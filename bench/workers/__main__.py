"""What a second worker costs and gives: the same calls with 1 and with 2 (peer.workers).

    bench/workers/run                     both tables
    bench/workers/run instructions        instructions per call, by callgrind: hardly different from run to run, and
                                          independent of how many cores there are. Calls are few there, so every message
                                          has a turn of its own and every hand-over wakes somebody: what a second
                                          worker costs at most
    bench/workers/run calls [--rate N]    CPU time per call, how it is spread, and what workers wait for each other

Phones and callers have 64 ports each, so that the kernel spreads them. A call is six messages, three of them
responses; with two workers half of these come to the other one and are handed over. A worker that is never waited
for, and costs few instructions more, gives what its core has; `bench/rig/run --highest --generator load --workers 2`
shows it where there are cores for the generator, too.
"""
import argparse
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

from bench import load, measure

USERS, FEW_USERS = 1_000, 100
PLACES = load.MANY_PLACES
WORKERS = (1, 2)
CONTROL = "control"
SLOW_RATE, FEW, MANY = 20, 2, 22  # under callgrind: calls a second; seconds of the shorter and of the longer run
PATIENCE = 300  # seconds until a server under callgrind listens
SECONDS = 8
HANDED = re.compile(r"worker_handed_over_total")
WAITED = re.compile(r"worker_lock_waits_total")
AGAIN = re.compile(r"sip_(server_responses_resent|client_requests_resent|server_absorbed)_total")


def status():
    return json.loads(measure.output(measure.CAUSEWAY, "status", "--json", "--socket", CONTROL))


def total(counters, name):
    return sum(value for key, value in counters.items() if name.match(key))


def server(workers):
    return measure.causeway(workers, settings=[f"peer.control={CONTROL}"])


def make_calls(rate, seconds, users=USERS):
    """How many; none may fail."""
    completed, failed = load.some_calls(rate, seconds, users=users, **PLACES)
    if failed:
        raise SystemExit(f"{failed} of {completed + failed} calls at {rate} a second failed")
    return completed


def collected(workers, seconds):
    """(calls, instructions of the whole program, messages sent again) of one run under callgrind."""
    counted = server(workers)
    counted.command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *counted.command]
    counted.patience = PATIENCE
    with counted:
        load.register(FEW_USERS, rate=SLOW_RATE, **PLACES)
        made = make_calls(SLOW_RATE, seconds, FEW_USERS)
        again = total(status()["counters"], AGAIN)
    return made, int(re.search(r"Collected : (\d+)", counted.said()).group(1)), again


def instructions(_args):
    print(f"{'workers':>8}{'instructions per call':>24}{'to one worker':>16}{'sent again':>12}")
    one = None
    for workers in WORKERS:
        (few, before, _), (many, after, again) = collected(workers, FEW), collected(workers, MANY)
        each = (after - before) / (many - few)
        one = one or each
        print(f"{workers:>8}{each:>24,.0f}{each / one:>16.3f}{again:>12}", flush=True)


def calls(args):
    print(f"{'workers':>8}{'us of CPU per call':>20}{'of each worker, %':>20}{'handed over per call':>22}"
          f"{'batches per call':>18}{'lock waits per 1,000 calls':>28}")
    for workers in WORKERS:
        with server(workers) as running:
            load.register(USERS, **PLACES)
            before, cpu = status(), measure.cpu_seconds(running.pid)
            made = make_calls(args.rate, SECONDS)
            cpu, after = measure.cpu_seconds(running.pid) - cpu, status()
        spent = [w["cpu_s"] - b["cpu_s"] for w, b in zip(after["workers"], before["workers"])]
        shares = "/".join(f"{100 * s / sum(spent):.0f}" for s in spent)
        old, new = before["counters"], after["counters"]
        handed, waited = (total(new, name) - total(old, name) for name in (HANDED, WAITED))
        batches = new.get("worker_batches_total", 0) - old.get("worker_batches_total", 0)
        print(f"{workers:>8}{1e6 * cpu / made:>20.1f}{shares:>20}{handed / made:>22.2f}{batches / made:>18.2f}"
              f"{1000 * waited / made:>28.2f}", flush=True)


def main():
    parts = {"instructions": instructions, "calls": calls}
    parser = argparse.ArgumentParser(prog="bench/workers/run", description=__doc__.split("\n")[0])
    parser.add_argument("part", nargs="?", choices=parts, help="one part; without it both")
    parser.add_argument("--rate", type=int, default=1000, help="calls a second of `calls`")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="workers."))
    os.chdir(folder)
    try:
        for name, part in parts.items():
            if args.part in (None, name):
                part(args)
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
