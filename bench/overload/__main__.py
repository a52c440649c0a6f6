"""Goodput when more is offered than a server can carry: calls that are completed, a second.

    bench/overload/run                   all of it, and the plot docs/plots/overload.svg (15 minutes)
    bench/overload/run sweep             from a quarter of the best to five times the best
    bench/overload/run step              five times the best for 10 s, then normal again
    bench/overload/run --only causeway --seconds 3 --times 1,5          a look at a change

The best is the highest goodput seen at any offer. Each server has one processor, the generator (bench/load) the
others; it offers calls whatever becomes of them, sends again what is not answered, and takes a 503 for an end.
"""
import argparse
import os
import shutil
import sys
import tempfile

from bench import load, measure
from bench.overload import servers, step
from bench.plot import Series, chart

TIMES = (0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4, 5)
FIRST, FASTER = 1000, 1.4  # calls a second, and how the search for the best goes on
ENOUGH = 0.95              # completed, of those offered; less is more than it can carry
SETTLE = 1                 # seconds before counting


def offered(contender, rate, seconds):
    """What becomes of the calls at this rate, counted from the second second on."""
    with contender:
        load.register(**servers.USERS)
        with load.calls([contender.pid], rate=rate, **servers.USERS) as calls:
            for _ in range(SETTLE):
                first = calls.next_second()
            cpu = measure.cpu_seconds(contender.pid)
            waits = []
            for _ in range(seconds):
                last = calls.next_second()
                waits.append(last["p99_wait_ms"])
            cpu = measure.cpu_seconds(contender.pid) - cpu
    span = last["t"] - first["t"]
    now = {name: last[name] - first[name] for name in ("begun", "completed", "refused", "retry_after", "sent_again")}
    return {"rate": now["begun"] / span, "goodput": now["completed"] / span, "refused": now["refused"] / now["begun"],
            "retry_after": now["retry_after"] / max(1, now["refused"]), "p99": max(waits), "cpu": cpu / span,
            "sent_again": now["sent_again"] / span}


def best(contender, seconds):
    """Calls a second completed, at the offer at which they are the most."""
    rate, most = FIRST, 0
    while True:
        goodput = offered(contender, rate, seconds)["goodput"]
        print(f"{contender.name}: offered {rate:,.0f}, completed {goodput:,.0f} a second", file=sys.stderr, flush=True)
        most = max(most, goodput)
        if goodput < ENOUGH * rate:
            return round(most)
        rate *= FASTER


def sweep(contender, top, times, seconds):
    print(f"{contender.name}:")
    print(f"{'offered':>10}{'a second':>12}{'goodput':>12}{'refused':>9}{'p99 wait, ms':>14}{'sent again':>12}"
          f"{'CPU':>7}{'us a call':>11}")
    points = []
    for factor in times:
        seen = offered(contender, factor * top, seconds)
        points.append((factor, seen["goodput"]))
        made = "" if seen["rate"] > 0.95 * factor * top else "  (the generator could not make more)"
        print(f"{factor:>9g}x{seen['rate']:>12,.0f}{seen['goodput']:>12,.0f}{seen['refused']:>9.0%}{seen['p99']:>14,.1f}"
              f"{seen['sent_again']:>12,.0f}{seen['cpu']:>7.0%}{seen['cpu'] * 1e6 / max(1, seen['goodput']):>11.1f}{made}",
              flush=True)
    most = max(top, *(goodput for _, goodput in points))
    print(f"  at {times[-1]:g} times: {points[-1][1] / most:.0%} of the best, which is {most:,.0f} a second", flush=True)
    return [(factor, 100 * goodput / most) for factor, goodput in points]


def contenders(only):
    """(server, or how it is made from the best of the one before it)."""
    wanted = [servers.Pinned("causeway", servers.causeway()), servers.Pinned("kamailio", measure.kamailio)]
    return [one for one in wanted if only in (None, one.name)]


def main():
    parser = argparse.ArgumentParser(prog="bench/overload/run", description=__doc__.split("\n")[0])
    parser.add_argument("part", nargs="?", choices=["sweep", "step"], help="one part; without it both")
    parser.add_argument("--only", choices=["causeway", "kamailio"])
    parser.add_argument("--seconds", type=int, default=5, help="counted at each offer")
    parser.add_argument("--times", default=",".join(map(str, TIMES)), help="offers, as multiples of the best")
    parser.add_argument("--best", type=int, help="calls a second, instead of a search")
    parser.add_argument("--uncontrolled", action="store_true", help="also Causeway with overload.target=0s")
    args = parser.parse_args()
    if os.cpu_count() < 2:
        parser.error("one processor for the server and one for the generator are needed")
    os.sched_setaffinity(0, set(range(1, os.cpu_count())))
    folder = tempfile.mkdtemp(prefix="overload.")
    os.chdir(folder)
    lines, times = [], [float(t) for t in args.times.split(",")]
    try:
        for contender in contenders(args.only):
            top = args.best or best(contender, min(3, args.seconds))
            group = [contender]
            if contender.name == "kamailio":
                group.append(servers.Pinned("kamailio, limited to that", servers.limited_kamailio(top)))
            elif args.uncontrolled:
                group.append(servers.Pinned("causeway, overload.target=0s", servers.causeway("overload.target=0s")))
            for one in group:
                if args.part != "step":
                    lines.append(Series(one.name, sweep(one, top, times, args.seconds)))
                if args.part != "sweep":
                    step.step(one, top)
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
    if lines and not args.only:
        chart(measure.ROOT / "docs/plots/overload.svg", "Goodput in overload, one processor", "calls offered, times the best",
              "calls completed, % of the best", lines, y_at_least=100)


if __name__ == "__main__":
    main()
