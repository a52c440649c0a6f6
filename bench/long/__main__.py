"""Half the capacity for half an hour: memory stays, no call fails, no table grows.

    bench/long/run                       30 minutes
    bench/long/run --minutes 3           a look
    bench/long/run --rate 2000           calls a second, instead of half of what the server can carry

Every few seconds the server is asked for its memory and its tables (as `causeway status` shows them). From the
second minute on, when as many transactions end as begin, each must stay what it is: the exit status is 1 if a call
has failed, or if the median of the last third is more than 2 % above that of the third before it.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

from bench import load, measure
from bench.plot import Series, chart

USERS = 10_000
SETTLED = 70   # seconds: 64*T1 from the first call, and the allocator's last doublings
EVERY = 5      # seconds between two samples
ALLOWED = 1.02
SOCKET = "control"


def capacity(server):
    """Calls a second that it completes when twice as many do not come through."""
    rate, best = 2000, 0
    while True:
        with load.calls([server.pid], users=USERS, rate=rate) as calls:
            load.together(1, calls)
            seen = load.together(4, calls)[0]
        completed = seen["completed"] / 4
        if completed < 0.95 * rate or seen["refused"] or seen["given_up"]:
            return max(best, round(completed))
        rate, best = rate * 3 // 2, rate


def tables(server):
    """Every number in the server's status that is a size, by its path."""
    status = json.loads(measure.output(measure.CAUSEWAY, "status", "--json", "--socket", SOCKET))
    found = {"memory, kB": measure.memory_kb(server.pid)}
    for section in ("sip_core", "registrar", "overlay"):
        found |= {f"{section}.{name}": value for name, value in status[section].items()
                  if isinstance(value, int) and not isinstance(value, bool)}
    return found


def watch(server, rate, minutes):
    """[(minute, tables)], and what became of the calls."""
    samples = []
    with load.calls([server.pid], users=USERS, rate=rate, hold=1) as calls:
        for second in range(1, round(minutes * 60) + 1):
            counts = calls.next_second()
            if second % EVERY == 0:
                samples.append((counts["t"] / 60, tables(server)))
                if second % 60 == 0:
                    print(f"{second // 60} min: {samples[-1][1]['memory, kB']:,} kB, {counts['completed']:,} calls, "
                          f"{counts['refused'] + counts['given_up']} failed", file=sys.stderr, flush=True)
    return samples, counts


def judged(samples):
    """Prints a line for each table; the names of those that grow."""
    settled = [(minute, found) for minute, found in samples if minute * 60 >= SETTLED]
    third = len(settled) // 3
    growing = []
    print(f"{'':32}{'lowest':>12}{'highest':>12}{'slope an hour':>15}")
    for name in settled[0][1]:
        values = [found[name] for _, found in settled]
        slope = statistics.linear_regression([minute for minute, _ in settled], values).slope * 60
        print(f"{name:32}{min(values):>12,}{max(values):>12,}{slope:>+15,.0f}")
        before, last = statistics.median(values[third:2 * third]), statistics.median(values[2 * third:])
        if last > before * ALLOWED + 1:
            growing.append(name)
    return growing


def main():
    parser = argparse.ArgumentParser(prog="bench/long/run", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, help="calls a second; default: half of what it can carry")
    args = parser.parse_args()
    if args.minutes < 2:
        parser.error("two minutes at least: the first is for settling")
    folder = tempfile.mkdtemp(prefix="long.")
    os.chdir(folder)
    try:
        with measure.causeway(settings=[f"peer.control={SOCKET}"]) as server:
            load.register(USERS)
            rate = args.rate or capacity(server) // 2
            if not args.rate:
                time.sleep(35)  # until the transactions of the search are gone
            samples, counts = watch(server, rate, args.minutes)
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
    failed = counts["refused"] + counts["given_up"]
    print(f"{args.minutes:g} minutes at {rate:,} calls a second, {counts['completed']:,} calls, {failed} failed, "
          f"{counts['sent_again']} messages sent again")
    growing = judged(samples)
    memory = Series("Causeway", [(minute, found["memory, kB"] / 1024) for minute, found in samples])
    chart(measure.ROOT / "docs/plots/long.svg", f"Memory at {rate:,} calls a second, half the capacity", "minutes",
          "MB", [memory])
    print("growing: " + (", ".join(growing) or "nothing"))
    sys.exit(1 if failed or growing else 0)


if __name__ == "__main__":
    main()
