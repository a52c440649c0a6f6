"""The rig: the same registrations and calls through Causeway and through Kamailio, in turn.

    bench/rig/run                        5 rounds over UDP, calls offered at 1000, 2000 and 3000 a second
    bench/rig/run --over tcp             phones' connections are TCP
    bench/rig/run --over tls-hop         caller at one server, callee at another, TLS between the two
    bench/rig/run --highest              the highest rate without a failed call, by SIPp; or by --generator load
    bench/rig/run --only causeway --rounds 1 --rates 2000       a look at a change
    bench/rig/run --json FILE            the figures, for a plot

10,000 users register at SIPp's address, register again, and are called: INVITE 180 200 ACK BYE 200 through a
stateful, record-routing proxy. Neither server authenticates anybody. What counts is the CPU time of the
server's processes per call. A machine's speed drifts, so the servers are measured in turn, and the ratio of
medians of one run is what is quoted.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from bench import measure
from bench.rig import hop, single
from bench.rig.highest import highest


def contenders(args):
    """What is measured in turn, made anew for every round."""
    if args.over == "tls-hop":
        both = hop.contenders(args.workers)
    else:
        both = single.contenders(args.over, args.workers, args.generator)
    return [one for one in both if args.only in (None, one.name)]


def measured(contender, work):
    before = measure.cpu_seconds(*contender.pids)
    good, failed = work()
    spent = measure.cpu_seconds(*contender.pids) - before
    return {"ok": good, "failed": failed, "per_cpu_second": good / spent if spent else 0.0}


def play(contender, rates):
    """One round: figures by the name of the work."""
    with contender:
        figures = {name: measured(contender, work) for name, work in contender.preparations()}
        with contender.callees():
            for rate in rates:
                figures[f"calls at {rate}/s"] = measured(contender, lambda: contender.calls(rate))
        memory = measure.memory_kb(*contender.pids)
        figures["memory, kB"] = {"ok": memory, "failed": 0, "per_cpu_second": memory}
    return figures


def table(rounds):
    """rounds: {server: [figures, ...]}"""
    names = list(rounds)
    print(f"{'':26}" + "".join(f"{n + ' (spread)':>30}{'failed':>9}" for n in names) +
          (f"{'ratio':>8}" if len(names) == 2 else ""))
    for work in rounds[names[0]][0]:
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
    print(f"registrations and calls per CPU second of the servers: median of {len(rounds[names[0]])} rounds "
          "(lowest..highest); ratio: first to second")


def signature(rounds):
    """What the signature has in a first registration, which Kamailio makes none for."""
    rows = {work: 1e6 / statistics.median(r[work]["per_cpu_second"] for r in rounds["causeway"])
            for work in (single.FIRST, single.AGAIN)}
    micro = subprocess.run([measure.ROOT / "build/release/micro", "--benchmark_filter=^record_sign$",
                            "--benchmark_format=csv"], capture_output=True, text=True, check=True).stdout
    signing = float(re.search(r'^"record_sign",\d+,[^,]+,([^,]+),ns', micro, re.M).group(1)) / 1000
    print(f"causeway: a first registration takes {rows[single.FIRST]:.1f} us of CPU time, one that refreshes "
          f"{rows[single.AGAIN]:.1f}; {signing:.1f} of the first are its signature (bench/micro/run record_sign)")


def main():
    parser = argparse.ArgumentParser(prog="bench/rig/run", description=__doc__.split("\n")[0])
    parser.add_argument("--over", choices=["udp", "tcp", "tls-hop"], default="udp")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rates", default="1000,2000,3000", help="calls offered a second")
    parser.add_argument("--workers", type=int, default=1,
                        help="of both servers; for more than 1 the calls need several ports, which bench/load has")
    parser.add_argument("--generator", choices=["sipp", "load"], default="sipp",
                        help="who makes the calls over UDP; bench/load makes more of them than SIPp can")
    parser.add_argument("--highest", action="store_true", help="search the highest rate without a failed call")
    parser.add_argument("--only", choices=["causeway", "kamailio"])
    parser.add_argument("--json", type=os.path.abspath, help="a file for the figures")
    args = parser.parse_args()
    if args.generator == "load" and args.over != "udp":
        parser.error("bench/load speaks UDP to one server only")
    if args.workers != 1 and args.over == "udp" and args.generator != "load":
        parser.error("--workers: SIPp sends all calls from one port, which keeps one worker busy: add --generator load")
    folder = tempfile.mkdtemp(prefix="rig.")
    os.chdir(folder)
    try:
        if args.highest:
            return highest(contenders(args))
        rounds = {}
        for number in range(args.rounds):
            for contender in contenders(args):
                print(f"round {number + 1}: {contender.name}", file=sys.stderr, flush=True)
                rounds.setdefault(contender.name, []).append(play(contender, [int(r) for r in args.rates.split(",")]))
        table(rounds)
        if args.over == "udp" and "causeway" in rounds:
            signature(rounds)
        if args.json:
            with open(args.json, "w") as f:
                json.dump(rounds, f, indent=1)
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
