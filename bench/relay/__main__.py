"""Relayed packets: the same clients through Causeway's relay and through coturn, in turn.

    bench/relay/run                      5 rounds: 100 clients, 50 packets a second each way, 172 bytes; then as
                                         many packets as the relay takes
    bench/relay/run --set-up 10000       allocations a second, and memory for each (the descriptors must suffice)
    bench/relay/run --only causeway --rounds 1
    bench/relay/run --parts      what batches, packets in one piece (UDP GSO and GRO), turns 100 us apart, and a thread
                                 for each core bring: the relay with and without each, also with eight packets at a time
                                 from each sender

Each client has an allocation and a channel to a peer of its own; both send. What counts is packets that arrived, on
either side, per CPU second of the server, user and system time. The delay is from the sender to the receiver, in
microseconds, with the generator's own waiting in it. Both servers have one thread for media.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from bench import measure

SECRET = "bench"
PORT = 3478
TURN = measure.ROOT / "build/release/turn"
ALONE = measure.ROOT / "build/release/relay_alone"
CLIENTS = 20_000  # more than are asked for


def causeway():
    subprocess.run([measure.CAUSEWAY, "authority", "init", measure.DOMAIN, "--only", "--dir", "authority"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([measure.CAUSEWAY, "authority", "issue", "relay", "--roles", "relay", "--dir", "authority"], check=True,
                   stdout=subprocess.DEVNULL)
    values = {"sip.listen": "udp:127.0.0.1:5060", "overlay.listen": "127.0.0.1:7400", "peer.state": "",
              "peer.control": os.path.abspath("control"), "relay.listen": f"udp:127.0.0.1:{PORT}",
              "relay.addresses": "127.0.0.1", "relay.allow": "127.0.0.0/8", "relay.secret": SECRET,
              "relay.first_port": 20000, "relay.last_port": 60000, "relay.max_allocations": CLIENTS,
              "relay.user_allocations": CLIENTS, "relay.stranger_answers": 1_000_000, "log.level": "warn"}
    command = [measure.CAUSEWAY, "peer", "--bundle", "authority/relay.bundle"]
    for key, value in values.items():
        command += ["--set", f"{key}={value}"]
    return measure.Server("causeway", command, port=PORT)


def coturn():
    return measure.Server("coturn", [
        "turnserver", "-n", "--use-auth-secret", f"--static-auth-secret={SECRET}", f"--realm={measure.DOMAIN}",
        "--listening-ip=127.0.0.1", f"--listening-port={PORT}", "--relay-ip=127.0.0.1", "--min-port=20000",
        "--max-port=60000", "--allow-loopback-peers", "--no-cli", "--no-tls", "--no-dtls", "--no-tcp", "--no-rfc5780",
        "--no-multicast-peers", "-m", "1", "--log-file=stdout", "--simple-log", "--pidfile=turnserver.pid",
        "--userdb=turnserver.db"], port=PORT)


def alone(name, **options):
    """The relay without its peer."""
    words = [word for option, value in options.items() for word in (f"--{option}", value)]
    return name, lambda: measure.Server(name, [ALONE, "--listen", f"127.0.0.1:{PORT}", "--secret", SECRET, *words], port=PORT)


CONTENDERS = [("causeway", causeway), ("coturn", coturn)]
PARTS = [alone("as it is"), alone("no pieces", segments=0), alone("no batches", batch=1, segments=0),
         alone("a pace of 100 us", pace=100), alone(f"{os.cpu_count()} threads", threads=os.cpu_count())]


def traffic(server, clients, rate, seconds, burst=1):
    """Figures of one run of the generator; the server's CPU time from the end of set-up to the end."""
    generator = subprocess.Popen([str(word) for word in (
        TURN, "--server", f"127.0.0.1:{PORT}", "--secret", SECRET, "--clients", clients, "--rate", rate, "--seconds", seconds,
        "--burst", burst)], stdout=subprocess.PIPE, text=True)
    set_up = json.loads(generator.stdout.readline() or sys.exit(f"{server.name}: no allocations:\n{server.said()}"))
    before = measure.cpu_seconds(server.pid)
    if rate == 0:
        memory = measure.memory_kb(server.pid)
        generator.terminate()
        generator.wait()
        return {**set_up, "memory_kb": memory}
    figures = json.loads(generator.stdout.readline())
    generator.wait()
    figures["per_cpu_second"] = figures["received"] / (measure.cpu_seconds(server.pid) - before)
    return figures


def play(contender, args):
    with contender() as server:
        if args.set_up:
            idle = measure.memory_kb(server.pid)
            figures = traffic(server, args.set_up, 0, 0)
            return {"set-up": {"per_cpu_second": args.set_up / figures["set_up_seconds"],
                               "kb": (figures["memory_kb"] - idle) / args.set_up}}
        figures = {f"{args.clients} clients, {args.rate:g} packets/s": traffic(server, args.clients, args.rate, args.seconds),
                   "as many as it takes": traffic(server, args.clients, -1, args.seconds)}
        if args.parts:
            figures["eight at a time"] = traffic(server, args.clients, 8 * args.rate, args.seconds, burst=8)
        return figures


def table(rounds, seconds):
    for work in rounds[next(iter(rounds))][0]:
        medians = []
        for name, played in rounds.items():
            rows = [one[work] for one in played]
            rates = [row["per_cpu_second"] for row in rows]
            medians.append(statistics.median(rates))
            line = f"{work:28}{name:>11}: {medians[-1]:>10,.0f} ({min(rates):,.0f}..{max(rates):,.0f})"
            if "kb" in rows[0]:
                line += f" a second, {statistics.median(row['kb'] for row in rows):.2f} kB each"
            else:
                sent, received = (sum(row[key] for row in rows) for key in ("sent", "received"))
                delays = [statistics.median(row[key] for row in rows) for key in ("p50_us", "p99_us")]
                line += (f" per CPU second, {received / len(rows) / seconds:,.0f} a second, {sent - received:,} of {sent:,} "
                         f"lost, p50 {delays[0]:.0f} us, p99 {delays[1]:.0f} us")
            print(line)
        if len(medians) == 2:
            print(f"{work:28}      ratio: {medians[0] / medians[1]:.2f}")


def main():
    parser = argparse.ArgumentParser(prog="bench/relay/run", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rate", type=float, default=50, help="packets a second from each client and each peer")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--set-up", type=int, default=0, help="make so many allocations, and nothing else")
    parser.add_argument("--parts", action="store_true", help="the relay with and without what makes it fast")
    parser.add_argument("--only", choices=[name for name, _ in CONTENDERS])
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="relay.")
    try:
        rounds = {}
        for number in range(args.rounds):
            for name, contender in PARTS if args.parts else CONTENDERS:
                if args.only in (None, name):
                    print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
                    with tempfile.TemporaryDirectory(dir=folder) as here:
                        os.chdir(here)
                        rounds.setdefault(name, []).append(play(contender, args))
        table(rounds, args.seconds)
    finally:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
