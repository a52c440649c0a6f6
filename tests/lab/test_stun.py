"""STUN and TURN are read from the wire: what coturn's client says to coturn's server, and to itself."""
import time

import pytest

from lab import stun
from lab.capture import Capture, Packet
from lab.world import STATE, World

# RFC 5769, 2.1 and 2.2: a check of ICE and its answer.
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b15126"
    "3b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf")
RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e"
    "90c38c7489f92af9ba53f06be7d780280004c07d4c96")


def packet(payload, source="1.1.1.1", source_port=4000, target="2.2.2.2", target_port=5000, stamp=1.0):
    return Packet(stamp, "udp", source, source_port, target, target_port, payload)


def test_the_vectors_of_rfc_5769():
    request, response = stun.parse(REQUEST), stun.parse(RESPONSE)
    assert (request.method, request.kind) == ("Binding", "request")
    assert request.attributes[stun.USERNAME] == b"evtj:h6vY"
    assert (response.method, response.kind, response.transaction) == ("Binding", "success", request.transaction)
    assert response.address(stun.MAPPED) == ("192.0.2.1", 32853)


@pytest.mark.parametrize("data", [b"", REQUEST[:-1], REQUEST + b"x", b"\x80" + REQUEST[1:], b"INVITE sip:a SIP/2.0\r\n\r\n" * 2],
                         ids=["nothing", "short", "long", "RTP", "SIP"])
def test_what_is_no_stun(data):
    assert stun.parse(data) is None


def test_what_channels_and_indications_carry():
    assert stun.carried(b"\x40\x01\0\3abc\0") == b"abc"
    assert stun.carried(b"\x40\x01\0\4abc") is None  # it ends before it should
    send = b"\0\x16\0\x08" + REQUEST[4:20] + b"\0\x13\0\3abc\0"
    assert stun.carried(send) == b"abc"
    assert stun.carried(REQUEST) is None


def test_a_tcp_connection_is_taken_apart():
    data = REQUEST + b"\x40\x01\0\3abc\0" + RESPONSE + b"\x40\x01\0\x09half"
    assert [frame for _, frame in stun.frames(data)] == [REQUEST, b"\x40\x01\0\3abc\0", RESPONSE]


def test_checks_end_where_media_begins():
    rtp = b"\x80\0" + b"x" * 30
    before, after = packet(REQUEST), packet(REQUEST, stamp=3.0)
    answer = packet(RESPONSE, "2.2.2.2", 5000, "1.1.1.1", 4000, 1.1)
    plain = packet(b"\0\1\0\0" + REQUEST[4:20], stamp=1.2)  # a question to a STUN server is no check
    found = stun.checks([before, answer, plain, packet(rtp, stamp=2.0), after])
    assert [(hop.source, hop.target, hop.count, hop.what) for hop in found] == [("1.1.1.1", "2.2.2.2", 1, "ICE")]


def test_rtcp_on_the_same_ports_is_no_media():
    assert stun.media([packet(b"\x80\x60" + b"x" * 30)], least=1)
    assert not stun.media([packet(b"\x81\xc8" + b"x" * 30)], least=1)
    assert not stun.media([packet(b"\x80\0" + b"x" * 30, target_port=7400)], least=1)


def answers(client, server) -> bool:
    """Whether a STUN server answers there."""
    with client.socket() as channel:
        channel.settimeout(0.2)
        channel.connect((server, stun.PORT))
        try:
            channel.send(REQUEST[:2] + b"\0\0" + REQUEST[4:20])
            return stun.parse(channel.recv(2000)) is not None
        except OSError:
            return False


@pytest.mark.world
@pytest.mark.parametrize("options", [(), ("-s",), ("-t",)], ids=["channels", "indications", "tcp"])
def test_coturn(options):
    """Its client sends through two allocations of its own; all of it is found in the capture."""
    here = World()
    client, relay = here.host("client", 20), here.host("relay", 41)
    server = relay.start("turnserver", "turnserver", "-n", "--lt-cred-mech", "-u", "alice:secret", "-r", "p2psip.org",
                         "-L", relay.address, "--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers",
                         "--log-file", "stdout", "--simple-log", "--pidfile", str(STATE / "turnserver.pid"))
    server.wait_until(lambda: answers(client, relay.address), 10, "turnserver to answer")
    wire = Capture()
    wire.wait_ready()
    start = time.time()
    client.run("turnutils_uclient", "-u", "alice", "-w", "secret", "-n", 20, "-m", 2, "-l", 172, "-z", 20, "-y", "-c", *options,
               relay.address, seconds=30)
    packets = wire.since(start)
    made = stun.allocations(packets)
    assert len(made) >= 4 and {signal.what for signal in made} == {"Init Relay", "Ok"}
    for asked, granted in zip(made[::2], made[1::2]):
        assert (asked.source, asked.target) == (client.address, relay.address) == (granted.target, granted.source)
        assert asked.time < granted.time and granted.more.startswith(relay.address + ":")
    assert stun.refusals(packets)["Allocate", 401] >= 2
    inner = [len(p.payload) for p in stun.unwrapped(packets) if p.source == client.address and p.target == relay.address]
    assert inner.count(172) >= 40
