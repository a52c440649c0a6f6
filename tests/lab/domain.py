"""A small p2psip.org beside example.com, for tests: what they have in common, and raw SIP to poke it with."""
import itertools
import socket
import time
from typing import Optional, Sequence

from lab import capture, causeway, sip, sipp
from lab.ca import CertificateAuthority
from lab.dns import NameServer, Target, Zone
from lab.kamailio import Kamailio
from lab.world import STATE, Failure, Host, World

DOMAIN = "p2psip.org"
MEMBERS = {"peer-a": (30, "registrar"), "peer-d": (33, "registrar,proxy"), "peer-e": (34, "registrar,proxy")}
USERS = {"alice": "pw-alice", "bob": "pw-bob"}
_number = itertools.count(1)


class Domain:
    """Three peers (two of them proxies), DNS and a capture; Kamailio for example.com if `outside`."""

    def __init__(self, zones: Sequence[Zone] = (), outside: bool = False, members=None, users=None,
                 transports: Sequence[str] = ("udp", "tcp", "tls"), targets: Sequence[Target] = ()):
        members = members or MEMBERS
        self.world = World()
        self.ca = CertificateAuthority(STATE / "ca")
        self.capture = capture.Capture()
        for name, (number, _) in members.items():
            self.world.host(name, number)
        targets = targets or [Target(self.world.hosts[name].address, priority=10 * place) for place, name in
                              enumerate((n for n, (_, roles) in members.items() if "proxy" in roles), 1)]
        given = {zone.origin for zone in zones}
        usual = [Zone(DOMAIN).sip(targets, transports),
                 Zone("example.com").sip([Target("198.51.100.10")], transports)]
        self.dns = NameServer(self.world, list(zones) + [zone for zone in usual if zone.origin not in given])
        self.example_com: Optional[Kamailio] = None
        if outside:
            self.example_com = Kamailio(self.world, "sip.example.com", 10, "example.com", {"carol": "pw-carol"},
                                        self.ca)
        self.dns.wait_ready()
        self.overlay = causeway.build(self.world, DOMAIN, members, users or USERS, self.ca)
        for server in (self.overlay, self.capture) + ((self.example_com,) if outside else ()):
            server.wait_ready()

    def address(self, name: str) -> str:
        return self.world.hosts[name].address

    def callee(self, user: str, number: int, peer: str, transport: str = "udp") -> Host:
        """A SIPp phone that is registered at the peer (over UDP) and answers in the transport."""
        host = self.world.host(f"{user}-phone", number)
        sipp.register(host, f"{self.address(peer)}:5060", user, DOMAIN, USERS[user],
                      contact_transport=transport)
        sipp.answering(host, transport=transport)
        return host

    def counts(self, start: float, targets: Sequence[str], method: str = "INVITE") -> list:
        """How many calls (by Call-ID) were sent to each of these addresses since then."""
        seen = capture.messages(self.capture.since(start))
        return [len({m.call_id for m in seen if m.method == method and not m.status
                     and m.target.startswith(address + ":")}) for address in targets]


def request(method: str, uri: str, sender: str, target_user: str = "", more: Sequence[str] = (),
            body: str = "", transport: str = "UDP") -> str:
    """A request with all that RFC 3261 demands; @VIA@ is filled in when it is sent."""
    number = next(_number)
    to = target_user or uri
    lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/{transport} @OWN@;branch=z9hG4bKlab{number};rport",
             "Max-Forwards: 70", f"From: <{sender}>;tag=t{number}", f"To: <{to}>", f"Call-ID: lab-{number}",
             f"CSeq: 1 {method}", "Contact: <sip:lab@@OWN@>", *more, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + body


class Raw:
    """A socket on a host that sends what it is told and reads answers."""

    def __init__(self, host: Host, target: str, port: int = 5060, transport: str = "udp"):
        self.transport = transport
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.channel = host.socket(kind=kind)
        self.channel.bind((host.address, 0))
        self.channel.settimeout(5)
        self.channel.connect((target, port))
        self.own = f"{host.address}:{self.channel.getsockname()[1]}"
        self._buffer = b""

    def send(self, text) -> None:
        data = text.encode() if isinstance(text, str) else text
        self.channel.sendall(data.replace(b"@OWN@", self.own.encode()))

    def receive(self, seconds: float = 5) -> Optional[sip.Message]:
        """The next message; None if none comes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.transport == "udp":
                data = self._read(end)
                return sip.parse(data) if data else None
            for offset, message in sip.parse_stream(self._buffer):
                self._buffer = self._buffer[offset + len(message):]
                return sip.parse(message)
            data = self._read(end)
            if not data:
                return None
            self._buffer += data
        return None

    def final(self, seconds: float = 5) -> int:
        """The status of the final answer; Failure if none comes."""
        while True:
            message = self.receive(seconds)
            if message is None:
                raise Failure(f"expected a final answer within {seconds:g} s; none came")
            if message.status >= 200:
                return message.status

    def _read(self, end: float) -> bytes:
        self.channel.settimeout(max(0.001, end - time.monotonic()))
        try:
            return self.channel.recv(65536)
        except (TimeoutError, ConnectionError):
            return b""
