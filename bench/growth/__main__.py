"""How the cost of a call grows with the users registered and with the calls in progress.

    bench/growth/run                     all of it, and the plots in docs/plots
    bench/growth/run users               1,000, 100,000 and 1,000,000 registered users, any of whom may be called
    bench/growth/run calls               1 to 10,000 calls in progress
    bench/growth/run overlay             what a registered user costs where the overlay has a second peer

A machine's speed drifts by more than what is looked for. So a small server runs beside the large one, both have
the same rate of calls in the same seconds, and what is said is the ratio of the two.
"""
import argparse
import os
import shutil
import statistics
import tempfile
from contextlib import contextmanager

from bench import load, measure
from bench.growth.overlay import overlay
from bench.plot import Series, chart

PLOTS = measure.ROOT / "docs/plots"
LARGE, SMALL = "127.0.0.1", "127.0.0.2"
SMALL_USERS = 1_000
USERS = (1_000, 100_000, 1_000_000)
IN_PROGRESS = (1, 10, 100, 1_000, 10_000)
RATE = 1000  # calls a second, at each of the two
WINDOW = 5   # seconds of one measurement
WINDOWS = 5
LINGER = 34  # seconds from the first call until as many transactions end as begin (RFC 3261 table 4: 64*T1)


def place(address):
    """Where a server and its phones are, for bench/load."""
    return {"server": f"{address}:{measure.SIP_PORT}", "phones": f"{address}:5080", "callers": f"{address}:5090"}


@contextmanager
def both(size):
    """A large server, and a small one with its users."""
    with measure.causeway(address=LARGE) as large, measure.causeway(address=SMALL) as small:
        load.register(SMALL_USERS, **place(SMALL))
        print(f"{size:>20}{'us per call':>24}{'beside it':>24}{'ratio':>8}{'failed':>8}")
        yield large, small


def compared(size, large, small, warm_up, users=SMALL_USERS, hold=0.0):
    """Prints one line; (size, median, lowest, highest) for each of the two servers."""
    with load.calls([large.pid], **place(LARGE), users=users, rate=RATE, hold=hold) as many, \
            load.calls([small.pid], **place(SMALL), users=SMALL_USERS, rate=RATE) as few:
        load.together(warm_up, many, few)
        windows = [load.together(WINDOW, many, few) for _ in range(WINDOWS)]
    points = []
    for server in zip(*windows):
        values = [window["us_per_call"] for window in server]
        points.append((size, statistics.median(values), min(values), max(values)))
    ratio = statistics.median(m["us_per_call"] / f["us_per_call"] for m, f in windows)
    failed = sum(w["refused"] + w["given_up"] for pair in windows for w in pair)
    shown = "".join(f"{f'{median:.1f} ({low:.1f}..{high:.1f})':>24}" for _, median, low, high in points)
    print(f"{size:>20,}{shown}{ratio:>8.2f}{failed:>8}", flush=True)
    return points


def plot(name, title, x_label, rows):
    many, few = zip(*rows)
    lines = [Series("as many as the axis says", many),
             Series("1,000 users and 1 call in progress, beside it", few, dashed=True)]
    chart(PLOTS / name, title, x_label, "CPU time of a call, us", lines, log_x=True)


def users(_args):
    rows, notes, registered = [], [], 0
    with both("registered users") as (large, small):
        before = measure.memory_kb(large.pid)
        for size in USERS:
            # Not faster: each leaves a transaction for 32 s, and a peer has room for 500,000.
            seconds = load.register(size - registered, first=registered + 1, rate=10_000, **place(LARGE))
            memory = measure.memory_kb(large.pid) - before
            notes.append(f"{size:>20,}: {memory * 1024 / size:,.0f} bytes a user; the last {size - registered:,} "
                         f"registered at {(size - registered) / seconds:,.0f} a second")
            registered = size
            rows.append(compared(size, large, small, 5, users=size))
    print("memory of the process (proportional set size), by users:", *notes, sep="\n")
    plot("growth-users.svg", f"Cost of a call by registered users, {RATE:,} calls a second", "registered users", rows)


def calls(_args):
    rows = []
    with both("calls in progress") as (large, small):
        load.register(SMALL_USERS, **place(LARGE))
        for count in IN_PROGRESS:
            hold = count / RATE
            rows.append(compared(count, large, small, round(LINGER if not rows else hold + 3), hold=hold))
    plot("growth-calls.svg", f"Cost of a call by calls in progress, {RATE:,} calls a second", "calls in progress", rows)


def main():
    parts = {"users": users, "calls": calls, "overlay": overlay}
    parser = argparse.ArgumentParser(prog="bench/growth/run", description=__doc__.split("\n")[0])
    parser.add_argument("part", nargs="?", choices=parts, help="one part; without it all")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="growth.")
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
