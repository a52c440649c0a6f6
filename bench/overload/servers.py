"""The servers that are overloaded, each on one processor of its own: the first. The generator has the others."""
import os
from pathlib import Path

from bench import measure

USERS = {"first": 1000, "users": 9000}  # of one width, so that messages are as long as each other
TRANSACTIONS = 3_000_000  # 64 for each call a second: enough for 45,000


def pin(pid, processors):
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), processors)


class Pinned:
    """A server for the length of a `with`, made anew each time."""

    def __init__(self, name, make):
        self.name, self.make = name, make

    def __enter__(self):
        self.server = self.make()
        self.server.__enter__()
        for pid in measure.tree(self.server.pid):
            pin(pid, {0})
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    @property
    def pid(self):
        return self.server.pid


def causeway(*settings):
    return lambda: measure.causeway(settings=[f"overload.max_transactions={TRANSACTIONS}", *settings])


def limited_kamailio(calls_a_second):
    """Kamailio's own means against overload: its ratelimit module, told how much it can carry."""
    text = (measure.ROOT / "bench/rig/kamailio.cfg").read_text()
    text = text.replace('modparam("tm", "failure_reply_mode", 3)', f"""loadmodule "ratelimit.so"
modparam("ratelimit", "timer_interval", 1)
modparam("ratelimit", "queue", "0:INVITE")
modparam("ratelimit", "pipe", "0:TAILDROP:{calls_a_second}")
modparam("tm", "failure_reply_mode", 3)""")
    text = text.replace("""	remove_hf("Route");
""", """	if (is_method("INVITE") && !rl_check()) {
		append_to_reply("Retry-After: 5\\r\\n"); sl_send_reply("503","Service Unavailable"); exit;
	}
	remove_hf("Route");
""")
    Path("kamailio-limited.cfg").write_text(text)
    return lambda: measure.kamailio(template="kamailio-limited.cfg")
