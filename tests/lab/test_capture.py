"""Captures: read while they are written, put together again from TCP segments."""
import socket
import struct
import threading
import time

import pytest

from lab import capture
from lab.world import World

MESSAGE = b"OPTIONS sip:x SIP/2.0\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"


def segment(sequence, payload, flags=0x18, stamp=1.0):
    return capture.Packet(stamp, "tcp", "1.1.1.1", 1000, "2.2.2.2", 5060, payload, sequence, flags)


def test_segments_out_of_order_and_repeated_make_one_stream():
    data = b"".join(MESSAGE % number for number in range(3))
    start = 0xffffffe0  # the sequence number wraps on the way
    pieces = [segment(start, b"", flags=2)]
    for at in range(0, len(data), 30):
        pieces.append(segment((start + 1 + at) & 0xffffffff, data[at:at + 30], stamp=2 + at))
    pieces[2], pieces[3] = pieces[3], pieces[2]
    pieces.insert(4, pieces[2])
    found = capture.messages(pieces)
    assert [message.call_id for message in found] == ["0", "1", "2"]
    assert found[0].transport == "tcp" and found[0].target == "2.2.2.2:5060"


def test_a_burst_is_what_went_one_way_without_an_answer():
    there = dict(protocol="tcp", source="1.1.1.1", source_port=1, target="2.2.2.2", target_port=2)
    back = dict(protocol="tcp", source="2.2.2.2", source_port=2, target="1.1.1.1", target_port=1)
    packets = [capture.Packet(1, payload=b"abc", **there), capture.Packet(2, payload=b"de", **there),
               capture.Packet(3, payload=b"", **back), capture.Packet(4, payload=b"f", **back)]
    assert [(b.source, b.size) for b in capture.bursts(packets, lambda _: True)] == [("1.1.1.1", 5), ("2.2.2.2", 1)]


def test_frames_that_are_something_else_are_passed_over():
    assert capture.decode(0, b"") is None
    assert capture.decode(0, b"\0" * 12 + b"\x86\xdd" + b"\0" * 40) is None  # no UDP in that IPv6
    icmp = b"\0" * 12 + b"\x08\x00" + struct.pack(">BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 1, 0) + b"\1\1\1\1\2\2\2\2" + b"\0" * 8
    assert capture.decode(0, icmp) is None


def test_ipv6_is_read_too():
    addresses = b"".join(socket.inet_pton(socket.AF_INET6, address) for address in ("2001:db8::1", "2001:db8::2"))
    frame = b"\0" * 12 + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, 8 + 2, 17, 64) + addresses + struct.pack(
        ">HHHH", 1000, 2000, 10, 0) + b"hi" + b"padding"
    packet = capture.decode(1.0, frame)
    assert (packet.source, packet.source_port, packet.target, packet.target_port) == ("2001:db8::1", 1000, "2001:db8::2", 2000)
    assert (packet.protocol, packet.payload) == ("udp", b"hi")


@pytest.mark.world
def test_what_crosses_the_switch_is_seen():
    here = World()
    one, other = here.host("one", 101), here.host("other", 102)
    wire = capture.Capture()
    wire.wait_ready()
    start = time.time()
    with other.socket(kind=socket.SOCK_STREAM) as server, one.socket(kind=socket.SOCK_STREAM) as client:
        server.bind((other.address, 5060))
        server.listen()
        reader = threading.Thread(target=lambda: server.accept()[0].recv(10000))
        reader.start()
        client.connect((other.address, 5060))
        client.sendall(MESSAGE % 1)
        reader.join(5)
    with one.socket() as sender, other.socket() as receiver:
        receiver.bind((other.address, 5060))
        sender.sendto(MESSAGE % 2, (other.address, 5060))
        receiver.recv(10000)
    seen = capture.messages(wire.since(start))
    assert [(m.transport, m.call_id) for m in seen] == [("tcp", "1"), ("udp", "2")]
    assert seen[0].source.startswith(one.address) and seen[1].target == f"{other.address}:5060"
    assert capture.messages(wire.since(time.time())) == []
    assert len(capture.messages(capture.read_file(wire.file))) == 2
