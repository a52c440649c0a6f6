"""What was on the wire: everything that crosses the world's switch, written by dumpcap, read back here.

The reader knows Ethernet, IPv4, IPv6, UDP and TCP, and puts TCP streams together again, so that SIP is found
in both. The file is an ordinary pcap file; Wireshark opens it.
"""
import re
import socket
import struct
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional

from lab import sip
from lab.world import PUBLIC, STATE, Network, Program, in_host, inside, wait_for

_MARK_PORT = 9  # discard
# Servers' ports: what goes there is no media, whatever it looks like (the overlay's datagrams are sealed).
_SERVERS = {53, 5060, 5061, 7400}


@dataclass
class Packet:
    """One UDP datagram or TCP segment."""
    time: float
    protocol: str  # udp or tcp
    source: str
    source_port: int
    target: str
    target_port: int
    payload: bytes
    sequence: int = 0  # TCP only
    flags: int = 0  # TCP only

    @property
    def stream(self) -> tuple:
        return self.source, self.source_port, self.target, self.target_port


@dataclass
class Burst:
    """Data of a TCP connection that we cannot look into, merged while nothing came the other way."""
    time: float
    source: str
    target: str
    size: int


@dataclass
class Signal:
    """One asked or answered something that is no SIP: what, and more of it where there is room."""
    time: float
    source: str
    target: str
    what: str
    more: str = ""
    to: str = ""  # of a response: what was asked
    inside_tls: bool = False


@dataclass
class Media:
    """RTP packets of one direction, or others that are called `what`."""
    time: float
    source: str
    target: str
    count: int
    what: str = "RTP"


class Capture:
    """A dumpcap on a switch, started (wait_ready says when it sees), and the packets it has written so far."""

    def __init__(self, network: Network = PUBLIC, name: str = "wire"):
        self.file: Path = STATE / f"{name}.pcap"
        self._network = network
        # To standard output it writes at once; a file that it has opened itself, only twice a second.
        command = ["sh", "-c", f"exec dumpcap -q -P -i {network.bridge} -w - >{self.file}"]
        self.program = Program("dumpcap", in_host(network.owner, *command), STATE / f"dumpcap-{name}.log")
        self.packets: list = []
        self._offset = 0
        self._marks = 0
        with inside(network.owner):
            self._channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)  # goes out whoever is there

    def wait_ready(self) -> None:
        wait_for(self._mark_comes_back, 10, "dumpcap to capture", came=lambda: self.program.tail())

    def settle(self) -> None:
        """Returns when everything sent until now can be read."""
        mark = self._send_mark()
        self.program.wait_until(lambda: self._seen(mark), 5, "dumpcap to have written everything")

    def since(self, start: float) -> list:
        """Packets from that time (seconds since the epoch) on."""
        self.settle()
        return [packet for packet in self.packets if packet.time >= start]

    def _send_mark(self) -> bytes:
        self._marks += 1
        mark = b"mark %d" % self._marks
        self._channel.sendto(mark, (self._network.prefix + "255", _MARK_PORT))
        return mark

    def _mark_comes_back(self) -> bool:
        mark = self._send_mark()
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            if self._seen(mark):
                return True
            time.sleep(0.02)
        return False

    def _seen(self, mark: bytes) -> bool:
        before = len(self.packets)
        self._read()
        return any(packet.payload == mark and packet.target_port == _MARK_PORT for packet in self.packets[before:])

    def _read(self) -> None:
        if not self.file.exists():
            return
        with open(self.file, "rb") as file:
            file.seek(self._offset)
            data = file.read()
        at = 0
        if self._offset == 0:
            if len(data) < 24:
                return
            at = 24
        for time_stamp, frame, end in _records(data, at):
            at = end
            packet = decode(time_stamp, frame)
            if packet:
                self.packets.append(packet)
        self._offset += at


def _records(data: bytes, at: int) -> Iterator:
    while at + 16 <= len(data):
        seconds, fraction, size, _ = struct.unpack_from("<IIII", data, at)
        if at + 16 + size > len(data):
            return
        yield seconds + fraction / 1e6, data[at + 16:at + 16 + size], at + 16 + size
        at += 16 + size


def read_file(path: Path) -> list:
    """All packets of a finished pcap file (microseconds, little endian: what dumpcap -P writes here)."""
    packets = (decode(stamp, frame) for stamp, frame, _ in _records(path.read_bytes(), 24))
    return [packet for packet in packets if packet]


def decode(stamp: float, frame: bytes) -> Optional[Packet]:
    """An Ethernet frame with IPv4 or IPv6 and UDP or TCP in it; None for all others."""
    if len(frame) < 34:
        return None
    if frame[12:14] == b"\x08\x00":
        header, total, protocol = (frame[14] & 15) * 4, struct.unpack_from(">H", frame, 16)[0], frame[23]
        source, target = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
    elif frame[12:14] == b"\x86\xdd" and len(frame) >= 54:
        header, total, protocol = 40, 40 + struct.unpack_from(">H", frame, 18)[0], frame[20]
        source, target = (socket.inet_ntop(socket.AF_INET6, frame[at:at + 16]) for at in (22, 38))
    else:
        return None
    segment = frame[14 + header:14 + total]
    if protocol == socket.IPPROTO_UDP and len(segment) >= 8:
        source_port, target_port = struct.unpack_from(">HH", segment)
        return Packet(stamp, "udp", source, source_port, target, target_port, segment[8:])
    if protocol == socket.IPPROTO_TCP and len(segment) >= 20:
        source_port, target_port, sequence = struct.unpack_from(">HHI", segment)
        payload = segment[(segment[12] >> 4) * 4:]
        return Packet(stamp, "tcp", source, source_port, target, target_port, payload, sequence, segment[13])
    return None


# ---------------------------------------------------------------------------- what it means

def streams(packets: list) -> dict:
    """TCP data by (source, port, target, port): list of (time, bytes) in order, without repetitions."""
    starts: dict = {}
    found: dict = defaultdict(dict)
    for packet in packets:
        if packet.protocol != "tcp":
            continue
        if packet.flags & 2:  # SYN
            starts[packet.stream] = (packet.sequence + 1) & 0xffffffff
            found.pop(packet.stream, None)
        if packet.payload:
            start = starts.setdefault(packet.stream, packet.sequence)
            offset = (packet.sequence - start) & 0xffffffff
            if offset < 1 << 31:
                found[packet.stream].setdefault(offset, (packet.time, packet.payload))
    return {stream: [(stamp, piece) for _, (stamp, piece) in sorted(pieces.items())]
            for stream, pieces in found.items()}


def messages(packets: list) -> list:
    """All SIP messages that anyone on the wire could read, in the order of time."""
    found = []
    for packet in packets:
        if packet.protocol == "udp":
            message = sip.parse(packet.payload, packet.time, f"{packet.source}:{packet.source_port}",
                                f"{packet.target}:{packet.target_port}", "udp")
            if message:
                found.append(message)
    for (source, source_port, target, target_port), pieces in streams(packets).items():
        data = b"".join(piece for _, piece in pieces)
        times, at = [], 0
        for stamp, piece in pieces:
            at += len(piece)
            times.append((at, stamp))
        for offset, text in sip.parse_stream(data):
            stamp = next(when for end, when in times if end >= offset + len(text))
            message = sip.parse(text, stamp, f"{source}:{source_port}", f"{target}:{target_port}", "tcp")
            if message:
                found.append(message)
    return sorted(found, key=lambda message: message.time)


def bursts(packets: list, wanted: Callable[[Packet], bool]) -> list:
    """TCP data between two addresses, one Burst for what went one way without an answer in between."""
    found: list = []
    latest: dict = {}
    for packet in packets:
        if packet.protocol != "tcp" or not packet.payload or not wanted(packet):
            continue
        pair = frozenset((packet.source, packet.target))
        last = latest.get(pair)
        if last and last.source == packet.source:
            last.size += len(packet.payload)
        else:
            latest[pair] = Burst(packet.time, packet.source, packet.target, len(packet.payload))
            found.append(latest[pair])
    return found


def is_rtp(packet: Packet) -> bool:
    """A datagram with RTP (RFC 3550); RTCP may share its ports (RFC 5761), and is none."""
    payload = packet.payload
    return (len(payload) > 12 and payload[0] >> 6 == 2 and not 64 <= payload[1] & 0x7f < 96
            and not {packet.source_port, packet.target_port} & _SERVERS)


def looks_like_sip(packet: Packet) -> bool:
    """Whether there is readable SIP anywhere in the packet, whatever stands around it."""
    return re.search(rb"SIP/2\.0", packet.payload) is not None
