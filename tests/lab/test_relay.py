"""The relay of a peer, used by coturn's clients in all their modes, and by a client of our own."""
import time

import pytest

from lab import causeway
from lab.capture import Capture
from lab.turn import PORT, attribute, relayed
from lab.world import PREFIX6
from relay_scene import PEER_PORT, TLS_PORT, Scene

pytestmark = [pytest.mark.world, pytest.mark.causeway]


def without_loss(counts, least):
    sent, received, lost = counts
    return sent >= least and received == sent and lost == 0


def on_the_wire(capture, scene, start):
    """Datagrams from the relay to the peer, and from the peer to the relay."""
    ways = [(scene.address, scene.echo.address), (scene.echo.address, scene.address)]
    packets = capture.since(start)
    return [sum(packet.protocol == "udp" and (packet.source, packet.target) == way for packet in packets) for way in ways]


MODES = {
    "channels over UDP": (),
    "indications over UDP": ("-s",),
    "channels over TCP": ("-t",),
    "indications over TCP": ("-t", "-s"),
    "channels over TLS": ("-t", "-S", "-p", str(TLS_PORT)),
    "indications over TLS": ("-t", "-S", "-s", "-p", str(TLS_PORT)),
    "DONT-FRAGMENT": ("-g",),
    "one socket for each client": ("-c",),
    "REQUESTED-ADDRESS-FAMILY": ("-X",),
    "large packets": ("-l", "1300"),
}


def test_coturns_client_in_every_mode_loses_nothing():
    scene = Scene()
    capture = Capture()
    capture.wait_ready()
    for mode, options in MODES.items():
        start = time.time()
        counts = scene.uclient(*options, packets=30)
        assert without_loss(counts, 30), f"{mode}: {counts}"
        there, back = on_the_wire(capture, scene, start)
        assert counts[0] <= there == back, f"{mode}: {counts[0]} sent, {there} came to the peer, {back} back"
    counters = scene.counters()
    assert counters['relay_packets_total{to="peer"}'] >= 30 * len(MODES)
    assert counters["relay_receive_calls_total"] > 0


def test_client_to_client():
    """Both relayed addresses are the relay's own: to be allowed, they are named."""
    scene = Scene()
    for options in ((), ("-s",), ("-t",), ("-t", "-S", "-p", str(TLS_PORT))):
        counts = scene.uclient("-y", *options, packets=30, clients=2)
        assert without_loss(counts, 60), f"{options}: {counts}"


def test_ipv6_on_either_side():
    scene = Scene()
    for name, options, server, peer in (
            ("both", ("-x",), scene.address6, scene.echo.address6),
            ("client", (), scene.address6, scene.echo.address),
            ("peer", ("-x",), scene.address, scene.echo.address6)):
        counts = scene.uclient(*options, server=server, peer=peer, packets=30)
        assert without_loss(counts, 30), f"IPv6 at {name}: {counts}"


def test_a_hundred_clients_at_once():
    scene = Scene()
    # Over UDP it leaves allocations of its own, with which it has looked for the server, to end by themselves.
    for options, left in ((("-t",), 0), ((), 50)):
        counts = scene.uclient(*options, clients=100, packets=50, seconds=120)
        assert without_loss(counts, 5000), f"{options}: {counts}"
        assert scene.counters()["relay_allocations"] == left


# ---- a client of our own

def test_ports_stay_in_their_range_until_there_are_no_more():
    scene = Scene(relay__first_port=50001, relay__last_port=50008)
    ports = set()
    for _ in range(8):
        code, found = scene.turn().allocate()
        assert code == 0
        ports.add(relayed(found)[1])
    assert ports == set(range(50001, 50009))
    assert scene.turn().allocate()[0] == 508


def test_even_port_and_the_one_above():
    scene = Scene()
    rtp, rtcp = scene.turn(), scene.turn()
    code, found = rtp.allocate(attribute(0x18, b"\x80"))
    assert code == 0 and relayed(found)[1] % 2 == 0
    code, second = rtcp.allocate(attribute(0x22, found[0x22]))
    assert code == 0 and relayed(second)[1] == relayed(found)[1] + 1


def test_icmp_comes_back_to_the_client():
    scene = Scene()
    alice = scene.turn()
    assert alice.allocate()[0] == 0
    assert alice.permit(scene.echo.address) == 0
    alice.send(scene.echo.address, 9, b"hello?")  # nobody listens there
    told = alice.socket.recv(2000)
    assert told[:2] == b"\0\x17"  # Data indication
    assert b"\x80\x04\0\x08\0\0\x06\x03" in told  # ICMP: type 3 in 7 bits (unreachable), code 3 in 9 (port)


def test_both_families_in_one_allocation():
    scene = Scene()
    alice = scene.turn()
    code, found = alice.allocate(attribute(0x8000, b"\x02\0\0\0"))
    assert code == 0 and 0x8001 not in found
    for number, address in enumerate((scene.echo.address, scene.echo.address6)):
        assert alice.bind(0x4000 + number, address, PEER_PORT) == 0
        alice.send_channel(0x4000 + number, b"to both")
        assert alice.socket.recv(2000) == bytes((0x40, number, 0, 7)) + b"to both"


def test_status_shows_the_relay():
    scene = Scene()
    alice = scene.turn()
    assert alice.allocate()[0] == 0
    time.sleep(1.1)
    relay = scene.peer.status()["relay"]
    assert relay["allocations"] == 1 and relay["users"] == 1
    assert f"udp:{scene.address}:{PORT}" in relay["listening"] and f"tls:[{PREFIX6}30]:{TLS_PORT}" in relay["listening"]
    said = causeway.call("status", "--socket", scene.peer.socket)
    assert "1 allocations of 1 users" in said


def test_a_wildcard_answers_from_the_address_that_was_asked():
    second = "198.51.100.31"
    scene = Scene(second_address=second, relay__listen=[f"udp:0.0.0.0:{PORT}"])
    for at in (scene.address, second):
        assert scene.turn(at).allocate()[0] == 0, at  # connected: it hears that address alone
