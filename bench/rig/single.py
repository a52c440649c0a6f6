"""One server with both phones, over UDP or TCP."""
from contextlib import nullcontext

from bench import load, measure, sipp

USERS = 10_000
CALL_SECONDS = 8
FIRST, AGAIN, MOVED = "first registrations", "refreshing registrations", "again by a new connection"


class Contender:
    """One server, and what is done with it. `target` takes the calls, `registrar` the registrations."""

    target = registrar = f"127.0.0.1:{measure.SIP_PORT}"
    user_count = USERS

    def __init__(self, server, over):
        self.name, self.server, self.over = server.name, server, over
        self.users = sipp.write_users("users.csv", self.user_count)
        self.port = 5100

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    @property
    def pids(self):
        return [self.server.pid]

    def preparations(self):
        """(name, work) of what comes before the calls and is measured too."""
        # The second SIPp has the same UDP port, so its phones have not moved; its TCP connection is another.
        return [(FIRST, self.register), (AGAIN if self.over == "udp" else MOVED, self.register)]

    def register(self):
        port = 5070 if self.over == "udp" else self.next_port()
        return sipp.run("reg", self.over, self.registrar, self.users, port, 4000, self.user_count, timeout=30)

    def callees(self):
        return sipp.callees(self.over)

    def calls(self, rate, seconds=CALL_SECONDS):
        return sipp.run("uac", self.over, self.target, self.users, self.next_port(), rate, rate * seconds,
                        timeout=seconds * 3)

    def next_port(self):
        """Of its own for each SIPp: over TCP the one before is not free at once."""
        self.port += 1
        return self.port


class Loaded(Contender):
    """The same with calls by bench/load, which can make more of them than SIPp, and from many ports."""

    def __init__(self, server, over, workers):
        super().__init__(server, over)
        self.places = {"ports": 1} if workers == 1 else load.MANY_PLACES

    def callees(self):
        return nullcontext()

    def register(self):
        if len(self.places) == 1:
            return super().register()
        load.register(self.user_count, **self.places)
        return self.user_count, 0

    def calls(self, rate, seconds=CALL_SECONDS):
        return load.some_calls(rate, seconds, users=self.user_count, **self.places)


def contenders(over, workers, generator):
    servers = measure.causeway(workers), measure.kamailio(workers)
    if generator == "load":
        return [Loaded(server, over, workers) for server in servers]
    return [Contender(server, over) for server in servers]
