"""Two servers with TLS between them: the caller's sends every call to the callee's, who registered there.

Both ends of the TLS prove themselves by certificate. Callers are nobody's users, so neither server asks them for a
password. Causeway's peers find the callee in the overlay; Kamailio's first server is told where to send
everything. Registering takes a password at Causeway (a peer with open registration does not exist) and is not measured.
"""
import hashlib
import json
import os
import time
from contextlib import ExitStack
from pathlib import Path

from bench import measure, sipp
from bench.rig.single import Contender
from lab.ca import CertificateAuthority

USERS = 1000  # few enough that all have been called before the calls that count
EDGE, HOME = "127.0.0.1", "127.0.0.2"
LINK_PORT = 7400
PASSWORD = "secret"


class Hop(Contender):
    target, registrar = f"{EDGE}:{measure.SIP_PORT}", f"{HOME}:{measure.SIP_PORT}"

    def __init__(self, name, servers, user_count=USERS):
        self.name, self.servers, self.over, self.user_count = name, servers, "udp", user_count
        self.users = sipp.write_users("users.csv", user_count, PASSWORD)
        self.port = 5100

    def started(self):
        """The servers, for the length of a `with`."""
        stack = ExitStack()
        for server in self.servers:
            stack.enter_context(server)
        return stack

    def __enter__(self):
        self.stack = self.started()
        self.connect()
        good, failed = self.register()
        if failed:
            raise SystemExit(f"{self.name}: {failed} of {self.user_count} registrations failed")
        return self

    def __exit__(self, *_):
        self.stack.close()

    @property
    def pids(self):
        return [server.pid for server in self.servers]

    def connect(self):
        """Until the two have found each other."""

    def preparations(self):
        return [("first call of each user", self.first_calls)]

    def first_calls(self):
        with self.callees():
            return self.calls(250, self.user_count // 250)


class Peers(Hop):
    def __init__(self, workers, user_count=USERS):
        folder = Path("domain").resolve() / os.urandom(4).hex()
        causeway("authority", "init", measure.DOMAIN, "--only", "--dir", folder)
        accounts = [f'u{i} = {{ md5 = "{md5(i)}" }}\n' for i in range(1, user_count + 1)]
        (folder / "accounts.toml").write_text("[accounts]\n" + "".join(accounts))
        super().__init__("causeway", [self.peer(folder, "edge", EDGE, HOME, workers),
                                      self.peer(folder, "home", HOME, EDGE, workers)], user_count)
        self.folder = folder

    @staticmethod
    def peer(folder, name, own, other, workers):
        causeway("authority", "issue", name, "--roles", "registrar,proxy", "--bootstrap", f"{other}:{LINK_PORT}",
                 "--dir", folder)
        settings = {"sip": {"listen": [f"udp:{own}:{measure.SIP_PORT}"]},
                    "overlay": {"listen": f"{own}:{LINK_PORT}", "join_jitter": "0s"},
                    "peer": {"state": "", "control": str(folder / f"{name}.socket"),
                             **({"workers": workers} if workers > 1 else {})},
                    "log": {"level": "warn"}}
        text = "".join(f"[{section}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items())
                       for section, values in settings.items())
        (folder / f"{name}.toml").write_text(text)
        return measure.Server(f"causeway {name}", [measure.CAUSEWAY, "peer", "--bundle", folder / f"{name}.bundle",
                                                   "-c", folder / f"{name}.toml"], own)

    def connect(self):
        end = time.monotonic() + 15
        while not all(self.status(name)["overlay"]["connected"] for name in ("edge", "home")):
            if time.monotonic() > end:
                raise SystemExit("the two peers did not find each other")
            time.sleep(0.2)

    def status(self, name):
        return json.loads(causeway("status", "--json", "--socket", self.folder / f"{name}.socket"))

    def register(self):
        return sipp.run("reg-digest", self.over, self.registrar, self.users, self.next_port(), 500,
                        self.user_count, timeout=30 + self.user_count / 250)


class Kamailios(Hop):
    def __init__(self, workers):
        ca = CertificateAuthority(Path("ca").resolve())
        certificate, key = ca.issue(measure.DOMAIN, [EDGE, HOME])
        template = Path(__file__).with_name("kamailio_hop.cfg")
        values = {"CERTIFICATE": certificate, "KEY": key, "CA": ca.certificate}
        super().__init__("kamailio", [
            measure.kamailio(workers, template, {**values, "OWN": EDGE, "NEXT_HOP": HOME}, EDGE, "kamailio edge"),
            measure.kamailio(workers, template, {**values, "OWN": HOME, "NEXT_HOP": ""}, HOME, "kamailio home")])


def causeway(*words):
    return measure.output(measure.CAUSEWAY, *words)


def md5(number):
    return hashlib.md5(f"u{number}:{measure.DOMAIN}:{PASSWORD}".encode()).hexdigest()


def contenders(workers):
    return [Peers(workers), Kamailios(workers)]
