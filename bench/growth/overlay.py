"""What registered users cost where the overlay has a second peer, which holds their records too."""
import time

from bench import measure
from bench.rig.hop import Peers

USERS = 10_000
IDLE = 20  # seconds


def overlay(_args):
    """All users register at one peer ("home"); the other ("edge") holds copies of their records."""
    print(f"{'two peers, one overlay':>24}{'bytes a user':>16}{'us a registration':>20}{'us a second, idle':>20}")
    peers = Peers(1, USERS)
    with peers.started():
        peers.connect()
        names = {"home": peers.servers[1].pid, "edge": peers.servers[0].pid}
        before = {name: (measure.memory_kb(pid), measure.cpu_seconds(pid)) for name, pid in names.items()}
        good, failed = peers.register()
        time.sleep(5)  # the last records reach the other peer
        after = {name: (measure.memory_kb(pid), measure.cpu_seconds(pid)) for name, pid in names.items()}
        time.sleep(IDLE)
        for name, pid in names.items():
            memory = (after[name][0] - before[name][0]) * 1024 / good
            cpu = (after[name][1] - before[name][1]) * 1e6 / good
            idle = (measure.cpu_seconds(pid) - after[name][1]) * 1e6 / IDLE
            print(f"{name:>24}{memory:>16,.0f}{cpu:>20,.0f}{idle:>20,.0f}")
        held = peers.status("edge")["overlay"]
    print(f"{good:,} registered with digest, {failed} failed; the edge holds {held['stored_records']:,} records of "
          f"{held['stored_bytes'] / max(1, held['stored_records']):,.0f} bytes")
