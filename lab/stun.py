"""STUN and TURN on the wire (RFC 8489, 8656): what was asked of relays, what they carried, and ICE's checks."""
import socket
import struct
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Container, Iterator, Optional

from lab.capture import Media, Packet, Signal, is_rtp, streams

PORT = 3478  # where relays listen for UDP and TCP
COOKIE = 0x2112A442
_METHODS = {1: "Binding", 3: "Allocate", 4: "Refresh", 6: "Send", 7: "Data", 8: "CreatePermission", 9: "ChannelBind"}
_KINDS = ("request", "indication", "success", "error")
USERNAME, ERROR, PEER, DATA, RELAYED, MAPPED, USE_CANDIDATE = 6, 9, 0x12, 0x13, 0x16, 0x20, 0x25


@dataclass
class Stun:
    """One message: `method` and `kind` in words, as above."""
    method: str
    kind: str
    transaction: bytes
    attributes: dict = field(default_factory=dict)

    @property
    def error(self) -> int:
        """The number of an error answer, or 0."""
        value = self.attributes.get(ERROR, b"")
        return 100 * (value[2] & 7) + value[3] if len(value) >= 4 else 0

    @property
    def is_check(self) -> bool:
        """Of ICE: a Binding request with credentials."""
        return (self.method, self.kind) == ("Binding", "request") and USERNAME in self.attributes

    def address(self, kind: int) -> Optional[tuple]:
        """Address and port in that attribute (XOR-..., IPv4)."""
        value = self.attributes.get(kind, b"")
        return xor_address(value) if len(value) == 8 and value[1] == 1 else None


def xor_address(value: bytes) -> tuple:
    """Address and port in the value of an XOR-... attribute (IPv4)."""
    port, ip = struct.unpack_from("!HI", value, 2)
    return socket.inet_ntoa(struct.pack("!I", ip ^ COOKIE)), port ^ COOKIE >> 16


def attributes_of(message: bytes) -> dict:
    """Values by type; of several of one type the first counts (RFC 8489 14)."""
    found: dict = {}
    at = 20
    while at + 4 <= len(message):
        kind, size = struct.unpack_from("!HH", message, at)
        found.setdefault(kind, message[at + 4:at + 4 + size])
        at += 4 + size + -size % 4
    return found


def parse(data: bytes) -> Optional[Stun]:
    """The message that a datagram is; None if it is none."""
    if len(data) < 20:
        return None
    kind, size, cookie = struct.unpack_from("!HHI", data)
    if kind >> 14 or cookie != COOKIE or size % 4 or size + 20 != len(data):
        return None
    method = kind & 0xF | kind >> 1 & 0x70 | kind >> 2 & 0xF80
    return Stun(_METHODS.get(method, f"method {method}"), _KINDS[kind >> 4 & 1 | kind >> 7 & 2], data[8:20],
                attributes_of(data))


def carried(data: bytes) -> Optional[bytes]:
    """What a message between a client and its relay carries: ChannelData, a Send or a Data indication; else None."""
    if len(data) >= 4 and data[0] >> 6 == 1:
        size = struct.unpack_from("!H", data, 2)[0]
        return data[4:4 + size] if len(data) - 4 >= size else None
    message = parse(data)
    return message.attributes.get(DATA) if message and message.method in ("Send", "Data") else None


def frames(data: bytes) -> Iterator[tuple]:
    """(offset, bytes) of each message in a TCP stream between a client and its relay."""
    at = 0
    while at + 4 <= len(data):
        size = struct.unpack_from("!H", data, at + 2)[0]
        whole = 20 + size if data[at] >> 6 == 0 else 4 + size + -size % 4
        if data[at] >> 7 or at + whole > len(data):
            return
        yield at, data[at:at + whole]
        at += whole


def datagrams(packets: list) -> list:
    """All UDP, and what crosses the TCP connections of relays as if it were UDP, in the order of time."""
    found = [packet for packet in packets if packet.protocol == "udp"]
    to_relays = [packet for packet in packets if packet.protocol == "tcp" and _with_relay(packet)]
    for (source, source_port, target, target_port), pieces in streams(to_relays).items():
        ends, at = [], 0
        for stamp, piece in pieces:
            at += len(piece)
            ends.append((at, stamp))
        for offset, frame in frames(b"".join(piece for _, piece in pieces)):
            stamp = next(stamp for end, stamp in ends if end >= offset + len(frame))
            found.append(Packet(stamp, "tcp", source, source_port, target, target_port, frame))
    return sorted(found, key=lambda packet: packet.time)


def unwrapped(packets: list) -> list:
    """The datagrams as their senders meant them: without what TURN puts around them."""
    found = []
    for packet in datagrams(packets):
        inner = carried(packet.payload) if _with_relay(packet) else None
        found.append(packet if inner is None else replace(packet, payload=inner))
    return found


def _with_relay(packet: Packet) -> bool:
    return PORT in (packet.source_port, packet.target_port)


def media(packets: list, least: int = 10, of: Container = ()) -> list:
    """RTP by hop (source address, target address), where at least that many packets went; over relays too.

    `of`: only the streams (by their SSRC) that leave or reach one of these addresses.
    """
    return _by_hop(_rtp(unwrapped(packets), of), "RTP", least)


def _rtp(datagrams_: list, of: Container) -> list:
    found = [packet for packet in datagrams_ if is_rtp(packet)]
    streams_of = {_ssrc(packet) for packet in found if not of or packet.source in of or packet.target in of}
    return [packet for packet in found if _ssrc(packet) in streams_of]


def _ssrc(packet: Packet) -> bytes:
    return packet.payload[8:12]


def checks(packets: list, of: Container = ()) -> list:
    """ICE's checks by hop. They go on while media flows (consent): what came before it is the way that was found.

    `of`: as above, of media.
    """
    plain = unwrapped(packets)
    begins = min((packet.time for packet in _rtp(plain, of)), default=float("inf"))
    found = []
    for packet in plain:
        message = parse(packet.payload) if packet.time < begins else None
        if message and message.is_check:
            found.append(packet)
    return _by_hop(found, "ICE", 1)


def _by_hop(packets, what: str, least: int) -> list:
    found: dict = {}
    for packet in packets:
        hop = (packet.source, packet.target)
        found.setdefault(hop, Media(packet.time, *hop, 0, what)).count += 1
    return [flow for flow in found.values() if flow.count >= least]


def allocations(packets: list) -> list:
    """What was asked of relays and granted: Init Relay, and Ok with the relayed address."""
    asked: dict = {}
    found = []
    for packet, message in _with_relays(packets):
        if message.method != "Allocate":
            continue
        if message.kind == "request":
            asked.setdefault((packet.source, packet.source_port, packet.target), packet.time)
        elif message.kind == "success":
            begun = asked.pop((packet.target, packet.target_port, packet.source), packet.time)
            address, port = message.address(RELAYED)
            found += [Signal(begun, packet.target, packet.source, "Init Relay"),
                      Signal(packet.time, packet.source, packet.target, "Ok", f"{address}:{port}")]
    return found


def _with_relays(packets: list) -> Iterator[tuple]:
    """(packet, message) of all that clients and relays say to each other."""
    for packet in datagrams(packets):
        message = parse(packet.payload) if _with_relay(packet) else None
        if message:
            yield packet, message


def refusals(packets: list) -> dict:
    """How often relays answered with each error, by (method, number)."""
    found: dict = defaultdict(int)
    for _, message in _with_relays(packets):
        if message.kind == "error":
            found[message.method, message.error] += 1
    return dict(found)
