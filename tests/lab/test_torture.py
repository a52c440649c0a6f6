"""Torture: the messages of RFC 4475 and RFC 5118 at a running peer, over UDP and over TCP.

tests/torture/README.md says what must become of each. Here stands what has to be arranged for it: a peer of
the domain that the message is about, the callee's phone and, where From is of the domain, the caller's.
"""
import json
import re
import select
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import causeway
from lab.dns import NameServer, Zone
from lab.world import STATE, World

TORTURE = Path(__file__).parents[1] / "torture"
PORTS = (5060, 5050, 5070, 6050, 19823)  # where answers may come to: the ports in the topmost Vias
MESSAGES = {"4475": 49, "5118": 12}
SILENCE = 0.15  # seconds without an answer that count as none
PATIENCE = 1.5
PHONE = 5062  # the phone's port: it has its address in common with who sends
NAMED = ("2001:db8::10:5070", "2001:db8::c000:201")  # next hops that messages of RFC 5118 name
CHANGED = (b"via", b"v", b"route", b"max-forwards", b"content-length", b"l")  # or looked at one by one
COPIED = (b"via", b"v", b"from", b"f", b"to", b"t", b"call-id", b"i", b"cseq")
COUNTS = ("sip_dropped_total{reason=\"malformed\"}", "sip_dropped_total{reason=\"response not ours\"}",
          "sip_server_transactions_total")
pytestmark = [pytest.mark.world, pytest.mark.causeway]


@dataclass
class Setting:
    """What a message needs beyond a peer of example.com."""
    domain: str = "example.com"
    callee: str = ""  # user part that the phone registers
    caller: str = ""  # user part that the sender registers
    next_hop: str = "phone"  # where it goes: the phone, a server on the peer's own host, or one of NAMED
    port: int = 5060  # that the peer listens on


WEIRD = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
SETTINGS = {
    "wsinv": Setting(caller="jdrosen"),
    "intmeth": Setting(callee=WEIRD, caller="mundane"),
    "esc01": Setting("example.net", "sips%3Auser%40example.com", "I%20have%20spaces"),
    "esc02": Setting("registrar.example.com"),
    "lwsdisp": Setting(callee="user", caller="caller"),
    "semiuri": Setting(callee="user;par=u%40example.net"),
    "transports": Setting(callee="user", caller="caller"),
    "mpart01": Setting(caller="fluffy", next_hop="loopback"),
    "badaspec": Setting("example.org"),
    "baddn": Setting("example.org"),
    "inv2543": Setting(callee="UserB"),
    "port-ambiguous": Setting(callee="user", next_hop=NAMED[0]),
    "ipv6-bug-abnf-3-colons": Setting(callee="user", next_hop=NAMED[1]),
    "ipv6-correct-abnf-2-colons": Setting(callee="user", next_hop=NAMED[1]),
    "port-unambiguous": Setting(port=5070),
    "mult-ip-in-header": Setting("host.example.net", "user"),
}
KEPT = {  # what the registrar's answer must say of the bindings
    "escnull": [b"<sip:%00@host5.example.com>", b"<sip:%00%00@host5.example.com>"],
    "dblreq": [b"<sip:j.user@host.example.com>"],
    "cparam01": [b"<sip:+19725552222@gw1.example.net>"],
    "cparam02": [b"<sip:+19725552222@gw1.example.net;unknownparam>"],
    "regescrt": [b"<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"],
    "ipv6-good": [b"<sip:caller@[2001:db8::1]>"],
    "port-unambiguous": [b"<sip:caller@[2001:db8::1]>"],
}


@dataclass
class Case:
    """One row of the table, and its message."""
    name: str
    data: bytes
    demanded: str  # in the table's bold
    stream: str

    def __post_init__(self):
        via = re.search(rb"^(?:via|v)\s*:(.*?)\r\n(?![ \t])", self.data, re.I | re.M | re.S).group(1)
        via = re.sub(rb"\s", b"", via)
        self.sent_by = via.split(b";")[0]
        self.branch = re.search(rb"(branch=[^;,]*)?$", via).group(0)
        self.method = self.data.split(b" ")[0]

    @property
    def setting(self) -> Setting:
        return SETTINGS.get(self.name, Setting(callee="user" if self.demanded == "forward" else ""))

    def is_in(self, data: bytes) -> bool:
        """Whether that is an answer to this message, or this message as it went on."""
        close = re.sub(rb"\s", b"", data)
        return self.sent_by in close and self.branch in close and not data.startswith(b"ACK ")

    def expected(self, transport: str) -> tuple:
        """Statuses that come back, whether the stream is then closed, whether it goes on."""
        what = self.stream if transport == "tcp" and self.stream else self.demanded
        if what == "forward":
            return [486 if self.method == b"INVITE" else 200], False, True
        return [int(number) for number in re.findall(r"\d{3}", what)], "close" in what, False


def cases(rfc: str) -> list:
    found, heading = [], ""
    for line in (TORTURE / "README.md").read_text().splitlines():
        heading = line if line.startswith("## ") else heading
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        bold = [cell.strip("*") for cell in cells[3:6] if cell.startswith("**")]
        if heading == f"## RFC {rfc}" and bold:
            data = (TORTURE / f"rfc{rfc}" / f"{cells[0]}.dat").read_bytes()
            found.append(Case(cells[0], data, bold[0], cells[6]))
    return sorted(found, key=lambda case: (case.setting.domain, case.setting.port))


def status(data: bytes) -> int:
    return int(data[8:11]) if data.startswith(b"SIP/2.0 ") else 0


def fields(message: bytes) -> list:
    """Header lines with their folds: (lower-case name, line)."""
    lines = re.split(rb"\r\n(?![ \t])", message.partition(b"\r\n\r\n")[0])[1:]
    return [(line.partition(b":")[0].strip().lower(), line) for line in lines]


def reply(request: bytes) -> bytes:
    """What the phone says: busy to an INVITE, OK to all else."""
    first = b"SIP/2.0 486 Busy Here" if request.startswith(b"INVITE ") else b"SIP/2.0 200 OK"
    kept = [line for name, line in fields(request) if name in COPIED]
    return b"\r\n".join([first, *kept, b"Content-Length: 0", b"", b""])


def check_forwarded(case: Case, sent_on: bytes) -> None:
    """RFC 3261 16.6: what a proxy must not change is as it was."""
    assert sent_on.split(b" ")[0] == case.method
    assert sent_on.partition(b"\r\n\r\n")[2] == case.data.partition(b"\r\n\r\n")[2]
    before, after = fields(case.data), fields(sent_on)
    vias = [[line for name, line in lines if name in (b"via", b"v")] for lines in (before, after)]
    assert vias[1][2:] == vias[0][1:], "the Vias below the two topmost"
    assert len(vias[1]) == len(vias[0]) + 1
    changed = CHANGED + ((b"contact",) if case.method == b"REGISTER" else ())  # a public registration's is the proxy's
    for name, line in before:
        assert name in changed or (name, line) in after, line
    hops = [int(line.partition(b":")[2]) for lines in (before, after) for name, line in lines if name == b"max-forwards"]
    assert hops in ([70], [hops[0], hops[0] - 1])


class Bench:
    """A peer, somebody who sends to it, and the phone that it may forward to."""

    def __init__(self, rfc: str, transport: str):
        self.world = World()
        self.transport = transport
        self.machine, self.outside = self.world.host("machine", 30), self.world.host("outside", 101)
        NameServer(self.world, [Zone("example.com").add(f"services A {self.outside.address}",
                                                        f"_sip._udp.services SRV 0 0 {PHONE} services")]).wait_ready()
        self.family, self.here, self.away = socket.AF_INET, self.machine.address, self.outside.address
        hops = {"phone": (self.outside, self.away, PHONE), "loopback": (self.machine, "127.0.0.1", 5080)}
        if rfc == "5118":
            self.family, self.here, self.away = socket.AF_INET6, "2001:db8::10", "2001:db8::102"
            for host, address in [(self.machine, self.here), *((self.outside, a) for a in (self.away, *NAMED))]:
                host.run("ip", "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
            hops = {"phone": (self.outside, self.away, PHONE), **{a: (self.outside, a, 5060) for a in NAMED}}
        self.hops = {name: self.bound(*place) for name, place in hops.items()}
        self.ports = {port: self.bound(self.outside, self.away, port) for port in PORTS}
        self.control = STATE / "control"
        self.peer, self.serves, self.seen, self.asked = None, None, set(), 0

    def bound(self, host, address: str, port: int) -> socket.socket:
        channel = host.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        channel.bind((address, port))
        return channel

    def url(self, address: str) -> str:
        return f"[{address}]" if ":" in address else address

    def serve(self, case: Case) -> None:
        """A peer of the message's domain, to which it is not a retransmission of another one."""
        wanted, key = (case.setting.domain, case.setting.port), (case.sent_by, case.branch)
        if self.serves != wanted or key in self.seen:
            if self.peer:
                self.peer.stop()
            self.serves, self.seen = wanted, set()
            self.peer = self.machine.start(
                "try", str(causeway.program()), "try", case.setting.domain, "--yes-really",
                "--listen", f"{self.url(self.here)}:{case.setting.port}", "--set", f"peer.control={self.control}")
            self.peer.wait_until(lambda: self.ask("OPTIONS", wait=0.1) == 200, 5, "the peer to be up")
        self.seen.add(key)

    def ask(self, method: str, user: str = "", channel=None, wait: float = 2) -> int:
        """A request of our own to the peer, with nothing strange in it: the status of the answer, 0 if none comes."""
        self.asked += 1
        channel = channel or self.ports[5060]
        domain, port = self.serves
        own = f"{self.url(self.away)}:{channel.getsockname()[1]}"
        aor = f"sip:{user}@{domain}" if user else f"sip:{domain}"
        lines = [f"{method} sip:{domain} SIP/2.0", f"Via: SIP/2.0/UDP {own};branch=z9hG4bKbench{self.asked}",
                 "Max-Forwards: 9", f"From: <{aor}>;tag=1", f"To: <{aor}>", f"Call-ID: bench-{self.asked}",
                 f"CSeq: 1 {method}", f"Contact: <sip:phone@{own}>"]
        channel.sendto("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode(), (self.here, port))
        end = time.monotonic() + wait
        while select.select([channel], [], [], max(0, end - time.monotonic()))[0]:
            answer = channel.recv(65536)
            if f"Call-ID: bench-{self.asked}\r\n".encode() in answer:
                return status(answer)
        return 0

    def counters(self) -> dict:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(self.control))
            channel.sendall(b'{"command": "status"}\n')
            return json.loads(channel.makefile().readline())["counters"]

    def exchange(self, case: Case) -> tuple:
        """Sends the message: the finals that come back, whether the stream was closed, what went on."""
        statuses, close, goes_on = case.expected(self.transport)
        hop = self.hops[case.setting.next_hop]
        stream = None
        if self.transport == "tcp":
            stream = self.outside.socket(self.family, socket.SOCK_STREAM)
            stream.bind((self.away, 0))
            stream.settimeout(2)
            stream.connect((self.here, case.setting.port))
            stream.sendall(case.data)
        else:
            self.ports[5060].sendto(case.data, (self.here, case.setting.port))
        channels = [hop, stream] if stream else [hop, *self.ports.values()]
        finals, closed, sent_on = [], False, []
        end = time.monotonic() + (PATIENCE if statuses else SILENCE)
        while ready := select.select(channels, [], [], max(0, end - time.monotonic()))[0]:
            for channel in ready:
                data, source = channel.recvfrom(65536)
                if channel is stream and not data:
                    closed = True
                    channels.remove(stream)
                elif channel is hop and case.is_in(data):
                    sent_on.append(data)
                    hop.sendto(reply(data), source)
                elif channel is not hop:
                    finals += [status(part) for part in re.split(rb"(?=SIP/2\.0 \d{3} )", data)
                               if case.is_in(part) and status(part) >= 200]
            if statuses and len(finals) >= len(statuses) and closed >= close:
                break
        if stream:
            stream.close()
        return finals, closed, sent_on

    def play(self, case: Case) -> None:
        self.serve(case)
        for user, channel in ((case.setting.callee, self.hops["phone"]), (case.setting.caller, self.ports[5060])):
            assert not user or self.ask("REGISTER", user, channel) == 200, user
        before = self.counters()
        finals, closed, sent_on = self.exchange(case)
        came, expected = (finals, closed, bool(sent_on)), case.expected(self.transport)
        assert came == expected, f"expected (statuses, closed, forwarded) {expected}; came {came}"
        if sent_on:
            check_forwarded(case, sent_on[0])
        after = self.counters()
        counts = ("net_accepted_total",) if self.transport == "tcp" and case.stream == "wait" else COUNTS
        assert any(after[name] > before[name] for name in counts), "no counter has moved"
        assert self.ask("OPTIONS") == 200, "it answers no more"
        assert self.ask("REGISTER", "somebody") == 200


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("rfc", ["4475", "5118"])
def test_each_message_as_the_table_says(rfc, transport):
    assert len(cases(rfc)) == MESSAGES[rfc]
    bench = Bench(rfc, transport)
    wrong = []
    for case in cases(rfc):
        try:
            bench.play(case)
        except AssertionError as failure:
            wrong.append(f"{case.name}: {failure}")
    assert not wrong, "\n".join(wrong)
