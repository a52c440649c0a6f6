"""A peer with the role relay in the world, coturn's client to use it, and a TURN client from its bytes: only what
the tests need of RFC 8656."""
import base64
import hashlib
import hmac
import re
import socket
import struct
import time

from lab import causeway
from lab.ca import CertificateAuthority
from lab.world import STATE, Failure, World

DOMAIN = "p2psip.org"
SECRET = "north-by-northwest"
PORT, TLS_PORT, PEER_PORT = 3478, 5349, 3480
# The lab's addresses are for documentation, which the address policy refuses.
LAB = ["198.51.100.0/24", "2001:db8:1::/64"]
COOKIE = b"\x21\x12\xa4\x42"
ALLOCATE, REFRESH, SEND, PERMIT, BIND = 3, 4, 0x16, 8, 9


class Scene:
    """A peer with the role relay, a host with TURN clients, and one with the peer that they talk to."""

    def __init__(self, allow=LAB, **settings):
        self.world = World()
        self.client = self.world.host("client", 20)
        self.echo = self.world.host("echo", 21)
        self.relay = self.world.host("relay", 30)
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

    def counters(self):
        time.sleep(1.1)  # the relay's thread renews them every second
        return self.peer.status()["counters"]

    def memory_kb(self):
        with open(f"/proc/{self.peer.program.pid}/smaps_rollup") as f:
            return int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))


def credentials(user="alice", secret=SECRET, seconds=600):
    """User name and password of a time-limited shared secret."""
    username = f"{int(time.time()) + seconds}:{user}".encode()
    return username, base64.b64encode(hmac.digest(secret.encode(), username, "sha1"))


def attribute(kind, value=b""):
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def message(kind, transaction, body, more=0):
    """Header and attributes; the header counts `more` bytes that come behind."""
    return struct.pack("!HH", kind, len(body) + more) + COOKIE + transaction + body


class Turn:
    """One TURN client, over UDP or any connected socket."""

    def __init__(self, host, server, user="alice", secret=SECRET, over=None):
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        self.socket = over or host.socket(family)
        self.socket.settimeout(2)
        if over is None:
            self.socket.connect((server, PORT))
        self.username, self.password = credentials(user, secret)
        self.nonce = self.realm = b""
        self.number = 0

    @property
    def transaction(self):
        """Of the next message."""
        return struct.pack("!QI", self.number, 7)

    def request(self, method, attributes=b""):
        """A whole request, with credentials once a challenge has come."""
        body = attributes
        if self.nonce:
            body += attribute(6, self.username) + attribute(0x14, self.realm) + attribute(0x15, self.nonce)
            key = hashlib.md5(b":".join((self.username, self.realm, self.password))).digest()
            body += attribute(8, hmac.digest(key, message(method, self.transaction, body, 24), "sha1"))
        return message(method, self.transaction, body)

    def ask(self, method, attributes=b""):
        """(0 or the error's number, attributes); answers one challenge."""
        for _ in range(2):
            self.socket.send(self.request(method, attributes))
            answer = self.socket.recv(2000)
            found, at = {}, 20
            while at < len(answer):
                kind, size = struct.unpack_from("!HH", answer, at)
                found[kind] = answer[at + 4:at + 4 + size]
                at += 4 + size + -size % 4
            code = 100 * found[9][2] + found[9][3] if 9 in found else 0
            if code not in (401, 438) or self.nonce and code == 401:
                break
            self.nonce, self.realm = found[0x15], found[0x14]
        self.number += 1
        return code, found

    def allocate(self, more=b""):
        return self.ask(ALLOCATE, attribute(0x19, b"\x11\0\0\0") + more)

    def peer(self, address, port):
        """XOR-PEER-ADDRESS of the next message."""
        six = ":" in address
        mask = COOKIE + self.transaction if six else COOKIE
        ip = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, address)
        value = struct.pack("!BBH", 0, 2 if six else 1, port ^ 0x2112) + bytes(a ^ b for a, b in zip(ip, mask))
        return attribute(0x12, value)

    def permit(self, address, port=1):
        return self.ask(PERMIT, self.peer(address, port))[0]

    def bind(self, channel, address, port):
        return self.ask(BIND, attribute(0x0c, struct.pack("!HH", channel, 0)) + self.peer(address, port))[0]

    def send(self, address, port, data):
        self.socket.send(message(SEND, self.transaction, self.peer(address, port) + attribute(0x13, data)))

    def send_channel(self, channel, data):
        self.socket.send(struct.pack("!HH", channel, len(data)) + data)


def relayed(found):
    """The port of XOR-RELAYED-ADDRESS."""
    return struct.unpack("!H", found[0x16][2:4])[0] ^ 0x2112
