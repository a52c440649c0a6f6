"""What bench/setup makes of a call: its moments, and where the time went."""
import struct

import pytest

from bench.setup.anatomy import anatomy, split
from lab.call import Record
from lab.capture import Packet, Signal
from lab.sip import Message
from lab.stun import COOKIE, PORT, USERNAME
from lab.world import Failure

ALICE, PEER, OTHER_PEER, RELAY, BOB, DNS = "1.1.1.1", "2.2.2.2", "2.2.2.3", "3.3.3.3", "4.4.4.4", "5.5.5.5"


def message(time, source, target, status=0):
    return Message(time, f"{source}:7400", f"{target}:7400", "tls", f"SIP/2.0 {status} X" if status else "INVITE sip:b SIP/2.0",
                   [("call-id", "c"), ("cseq", "1 INVITE")])


def datagram(time, source, target, payload, source_port=5000, target_port=6000):
    return Packet(time, "udp", source, source_port, target, target_port, payload)


def binding(user=b"") -> bytes:
    attributes = struct.pack("!HH", USERNAME, len(user)) + user if user else b""
    return struct.pack("!HHI", 1, len(attributes), COOKIE) + b"t" * 12 + attributes


def rtp(time, source, target):
    return datagram(time, source, target, b"\x80\x00" + bytes(170))


def call() -> Record:
    """Dialled at 100: 10 ms to look for relays, 20 to gather, 5 in a peer that looks the user up, 2 of them for DNS."""
    messages = [message(100.032, ALICE, PEER), message(100.033, PEER, OTHER_PEER), message(100.038, OTHER_PEER, BOB),
                message(100.039, BOB, OTHER_PEER, 180), message(100.041, PEER, ALICE, 180),
                message(100.100, BOB, OTHER_PEER, 200), message(100.102, PEER, ALICE, 200)]
    signals = [Signal(100.002, ALICE, PEER, "Get Relay"), Signal(100.005, PEER, ALICE, "Response", to="Get Relay"),
               Signal(100.012, ALICE, RELAY, "Init Relay"), Signal(100.050, BOB, RELAY, "Init Relay")]
    packets = [datagram(100.006, ALICE, RELAY, binding(), target_port=PORT),
               datagram(100.034, OTHER_PEER, DNS, b"srv", target_port=53), datagram(100.0345, DNS, OTHER_PEER, b"srv", 53, 5000),
               datagram(100.0355, OTHER_PEER, DNS, b"a", target_port=53), datagram(100.036, DNS, OTHER_PEER, b"a", 53, 5000),
               datagram(100.105, ALICE, BOB, binding(b"user")), rtp(100.130, BOB, ALICE), rtp(100.140, ALICE, BOB)]
    return Record(100.0, 0, "c", messages, signals, packets=packets)


def test_the_two_waits_and_what_they_consist_of():
    found = anatomy(call(), ALICE, BOB, {PEER, OTHER_PEER}, nominated=[100.118, 100.120])
    assert (found["ring"], found["answer"], found["audio at caller"], found["audio at callee"]) == (41, 100, 130, 140)
    assert found["dial to ring"] == {"dns": 2, "relays": 10, "target": 4, "ice": 20, "sip": 5}
    assert found["answer to audio"] == {"dns": 0, "relays": 0, "target": 0, "ice": 15, "sip": 25}


def test_a_call_without_relays_and_checks_has_no_ice():
    record = call()
    record.signals = []
    record.packets = [packet for packet in record.packets if packet.payload[0] >> 6 == 2]
    found = anatomy(record, ALICE, BOB, {PEER, OTHER_PEER})
    assert found["dial to ring"]["ice"] == found["dial to ring"]["relays"] == found["answer to audio"]["ice"] == 0


def test_what_is_missing_is_named():
    record = call()
    record.messages = [m for m in record.messages if m.status != 180]
    with pytest.raises(Failure, match="a 180 that reaches the caller"):
        anatomy(record, ALICE, BOB, {PEER, OTHER_PEER})
    record = call()
    record.packets.pop()
    with pytest.raises(Failure, match=f"audio that reaches {BOB}"):
        anatomy(record, ALICE, BOB, {PEER, OTHER_PEER})


def test_time_is_counted_once():
    spans = {"dns": [(1, 2)], "overlay": [(1.5, 3), (0, 0.5)], "ice": [(2.5, 9)]}
    assert split((0, 4), spans) == {"dns": 1000, "overlay": 1500, "ice": 1000, "sip": 500}
