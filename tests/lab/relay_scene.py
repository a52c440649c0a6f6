"""A peer with the role relay in the world, with a secret for time-limited credentials, and clients that have them."""
import base64
import hmac
import re
import time

from lab import causeway
from lab.ca import CertificateAuthority
from lab.turn import PORT, Turn
from lab.world import STATE, Failure, World

DOMAIN = "p2psip.org"
SECRET = "north-by-northwest"
TLS_PORT, PEER_PORT = 5349, 3480
# The lab's addresses are for documentation, which the address policy refuses.
LAB = ["198.51.100.0/24", "2001:db8:1::/64"]


class Scene:
    """A peer with the role relay, a host with TURN clients, and one with the peer that they talk to."""

    def __init__(self, allow=LAB, second_address=None, **settings):
        self.world = World()
        self.client = self.world.host("client", 20)
        self.echo = self.world.host("echo", 21)
        self.relay = self.world.host("relay", 30)
        if second_address:
            self.relay.run("ip", "addr", "add", f"{second_address}/24", "dev", "eth0")
        self.address, self.address6 = self.relay.address, self.relay.address6
        self.ca = CertificateAuthority(STATE / "ca")
        certificate, key = self.ca.issue("relay.test", [self.address])
        listen = [f"{transport}:{host}:{port}" for host in (self.address, f"[{self.address6}]")
                  for transport, port in (("udp", PORT), ("tcp", PORT), ("tls", TLS_PORT))]
        values = {"relay.listen": listen, "relay.addresses": [self.address, self.address6], "relay.secret": SECRET,
                  "relay.allow": list(allow), "relay.certificate": str(certificate), "relay.key": str(key),
                  "relay.user_allocations": 1000, "relay.stranger_answers": 1000}
        values.update({name.replace("__", "."): value for name, value in settings.items()})
        self.overlay = causeway.build(self.world, DOMAIN, {"relay": (30, "registrar,relay")}, {}, self.ca, values)
        self.peer = self.overlay["relay"]
        self.peer.wait_ready()
        for address in (self.echo.address, self.echo.address6):
            self.echo.start(f"echo-{len(address)}", "turnutils_peer", "-L", address, "-p", str(PEER_PORT))
        time.sleep(0.3)  # it says nothing when it is ready

    def uclient(self, *options, server=None, peer=None, clients=1, packets=50, seconds=60):
        """Runs turnutils_uclient; how many packets it sent, received, and lost."""
        done = self.client.run("turnutils_uclient", "-u", "alice", "-W", SECRET, "-n", packets, "-m", clients, "-l", 172,
                               "-z", 20, "-e", peer or self.echo.address, "-r", PEER_PORT, *options,
                               server or self.address, seconds=seconds, check=False)
        said = done.stdout + done.stderr
        totals = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", said)
        lost = re.findall(r"Total lost packets (\d+)", said)
        if not totals or not lost:
            raise Failure(f"expected turnutils_uclient to count its packets; it said:\n{said[-1500:]}\n"
                          f"and the relay:\n{self.peer.program.tail(20)}")
        return int(totals[-1][0]), int(totals[-1][1]), int(lost[-1])

    def turn(self, at=None, over=None, **credential):
        """A client with `credentials(**credential)`."""
        return Turn(self.client, at or self.address, *credentials(**credential), over=over)

    def counters(self):
        time.sleep(1.1)  # the relay's thread renews them every second
        return self.peer.status()["counters"]


def credentials(user="alice", secret=SECRET, seconds=600):
    """User name and password of a time-limited shared secret."""
    username = f"{int(time.time()) + seconds}:{user}"
    return username, base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()
