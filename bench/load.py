"""bench/load, the generator: phones that register, and calls at a steady rate, watched while they run."""
import json
import subprocess
from contextlib import contextmanager

from bench import measure


# Phones and callers at so many ports that the kernel spreads them evenly over a server's workers.
MANY_PLACES = {"ports": 64, "phones": "127.0.0.1:10000", "callers": "127.0.0.1:20000"}


def command(kind, **options):
    words = [w for name, value in options.items() for w in (f"--{name}", str(value))]
    return [measure.LOAD, kind, "--domain", measure.DOMAIN, *words]


def register(users, **options):
    """Registers u1 to uUSERS; seconds that it took. All must be accepted."""
    done = subprocess.run(command("register", users=users, **options), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"registering {users} users: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)["seconds"]


def some_calls(rate, seconds, **options):
    """Calls for so long; (completed, failed), when the last has ended."""
    done = subprocess.run(command("call", rate=rate, seconds=seconds, **options), capture_output=True, text=True,
                          check=True)
    last = json.loads(done.stdout.splitlines()[-1])
    return last["completed"], last["begun"] - last["completed"]


class Calls:
    """Calls under way at the server of these processes."""

    def __init__(self, process, pids):
        self.process, self.pids = process, pids

    def next_second(self):
        """Waits for the generator's next line, one a second, of counts since its start."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the generator has ended before its time")
        return json.loads(line)

    def mark(self):
        return self.next_second(), measure.cpu_seconds(*self.pids)

    def since(self, mark):
        """CPU time per call completed since then, in us, and what else happened."""
        (before, cpu_before), (after, cpu_after) = mark, self.mark()
        happened = {name: after[name] - before[name] for name in ("completed", "refused", "given_up", "sent_again")}
        cpu = (cpu_after - cpu_before) * 1e6
        return {**after, **happened, "us_per_call": cpu / max(1, happened["completed"])}


def together(seconds, *all_calls):
    """What the calls of each cost in the same seconds. A generator must not be left unread for longer than that."""
    marks = [calls.mark() for calls in all_calls]
    for _ in range(seconds - 1):
        for calls in all_calls:
            calls.next_second()
    return [calls.since(mark) for calls, mark in zip(all_calls, marks)]


@contextmanager
def calls(pids, **options):
    """Calls until the end of the `with`. Options are those of the program: users, rate, hold, ..."""
    process = subprocess.Popen(command("call", **{"seconds": 86400, **options}), stdout=subprocess.PIPE, text=True)
    try:
        yield Calls(process, pids)
    finally:
        process.terminate()
        process.communicate()
