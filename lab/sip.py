"""As much SIP as a lab needs: reading messages that were on the wire, and asking a server for a sign of life."""
import re
import socket
import uuid
from dataclasses import dataclass, field
from typing import Optional

from lab.world import Host, Program

_FIRST = re.compile(rb"(?:SIP/2\.0 \d{3} [^\r\n]*|[A-Z]+ \S+ SIP/2\.0)\r\n")
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
            "c": "content-type", "k": "supported"}


@dataclass
class Message:
    """One SIP message as it was seen: when, from whom to whom, and what it said."""
    time: float
    source: str  # "address:port"
    target: str
    transport: str  # udp, tcp, or tls where a peer's own trace told us
    first: str
    headers: list = field(default_factory=list)  # (lower-case name, value)
    body: bytes = b""

    @property
    def method(self) -> str:
        """The request's method, or for a response the method it answers."""
        return self.cseq.partition(" ")[2] if self.status else self.first.split(" ", 1)[0]

    @property
    def status(self) -> int:
        return int(self.first.split(" ")[1]) if self.first.startswith("SIP/2.0") else 0

    @property
    def uri(self) -> str:
        return "" if self.status else self.first.split(" ")[1]

    @property
    def call_id(self) -> str:
        return self.get("call-id")

    @property
    def cseq(self) -> str:
        return self.get("cseq")

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list:
        """Every value of a header, comma lists taken apart (commas in <> or quotes do not count)."""
        values = [value for key, value in self.headers if key == name]
        return [part.strip() for value in values for part in split_list(value)]


def split_list(value: str) -> list:
    parts, depth, quoted, start = [], 0, False, 0
    for index, char in enumerate(value):
        if char == '"':
            quoted = not quoted
        elif not quoted and char in "<>":
            depth += 1 if char == "<" else -1
        elif not quoted and char == "," and depth == 0:
            parts.append(value[start:index])
            start = index + 1
    return parts + [value[start:]]


def starts_message(data: bytes) -> bool:
    return _FIRST.match(data) is not None


def parse(data: bytes, time: float = 0, source: str = "", target: str = "",
          transport: str = "udp") -> Optional[Message]:
    """The message at the start of a datagram; None if it is not SIP."""
    if not starts_message(data):
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace")).split("\r\n")
    headers = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.append((_COMPACT.get(name, name), value.strip()))
    return Message(time, source, target, transport, lines[0], headers, body)


def parse_stream(data: bytes):
    """Takes messages off the start of a byte stream: yields (offset, message bytes)."""
    at = 0
    while at < len(data):
        if data[at:at + 2] == b"\r\n":
            at += 2
            continue
        end = data.find(b"\r\n\r\n", at)
        if end < 0 or not starts_message(data[at:end + 2]):
            return
        length = re.search(rb"\r\n(?:content-length|l)\s*:\s*(\d+)", data[at:end], re.IGNORECASE)
        size = end + 4 - at + (int(length.group(1)) if length else 0)
        if at + size > len(data):
            return
        yield at, data[at:at + size]
        at += size


def options(host: Host, target: str, port: int, seconds: float = 0.2) -> Optional[Message]:
    """Sends OPTIONS over UDP from the host's own address; the answer, or None."""
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(seconds)
        channel.bind((host.address, 0))
        own = f"{host.address}:{channel.getsockname()[1]}"
        token = uuid.uuid4().hex
        text = (f"OPTIONS sip:{target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{token};rport\r\n"
                f"Max-Forwards: 5\r\nFrom: <sip:lab@{own}>;tag={token[:8]}\r\nTo: <sip:{target}>\r\n"
                f"Call-ID: {token}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
        try:
            channel.sendto(text.encode(), (host.address, port))
            return parse(channel.recv(65536))
        except OSError:
            return None


def wait_answering(program: Program, host: Host, domain: str, port: int = 5060, seconds: float = 10) -> None:
    """Until the host's SIP server answers OPTIONS for its domain with 200."""
    def answers():
        answer = options(host, domain, port)
        return answer and answer.status == 200
    program.wait_until(answers, seconds, f"{program.tag} to answer OPTIONS sip:{domain}")
