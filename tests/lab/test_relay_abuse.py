"""What those get who want something else of the relay than to be relayed (docs/security.md)."""
import socket
import time

import pytest

from lab.turn import ALLOCATE, PORT, SEND, attribute, message, relayed
from lab.world import wait_for
from relay_scene import PEER_PORT, TLS_PORT, Scene

pytestmark = [pytest.mark.world, pytest.mark.causeway]

MARK = b"must not leave the relay"
# One or more of everything that the address policy refuses (net/address_policy.h).
DENIED = """0.0.0.0 127.0.0.1 127.1.2.3 169.254.169.254 192.0.0.9 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.22 203.0.113.1
    224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:198.51.100.21
    ::ffff:8.8.8.8 ::ffff:0:10.0.0.1
    64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::a00:1 100::1 2001::1 2001:0:5ef5:79fb:0:0:f5ff:fffe 2001:db8:1::22
    2001:db8:2::1 2002:7f00:1:: 2002:808:808::1 3fff::1 fe80::1 fec0::1 ff02::1 ff0e::1
    2a00::5efe:10.0.0.1""".split()
# Granted, and leading nowhere: phones behind NATs name them beside others.
SITES = "10.0.0.1 100.64.0.1 172.16.0.1 192.168.1.1 fc00::1 fd00::1".split()
OUTGOING = 4  # PACKET_OUTGOING of packet(7)


def everything(host):
    """What crosses any interface of this host from now on, loopback too."""
    with host.inside():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    raw.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    raw.settimeout(0.3)
    return raw


def left_with(raw, mark):
    """How many packets with these bytes have left the host."""
    count = 0
    while True:
        try:
            data, (_, _, kind, _, _) = raw.recvfrom(65536)
        except TimeoutError:
            return count
        count += kind == OUTGOING and mark in data


def test_nothing_leaves_for_any_denied_address():
    scene = Scene(allow=["198.51.100.21/32"])  # the peer, and no one else
    scene.relay.run("ip", "-6", "route", "add", "default", "via", "2001:db8:1::1")  # as there is one for IPv4
    seen = everything(scene.relay)
    alice = scene.turn()
    assert alice.allocate(attribute(0x8000, b"\x02\0\0\0"))[0] == 0
    for number, address in enumerate(DENIED + SITES):
        answer = 403 if address in DENIED else 0
        assert alice.permit(address) == answer, address
        assert alice.bind(0x4000 + number, address, PORT) == answer, address
        for port in (1, PORT, PEER_PORT):
            alice.send(address, port, MARK)
        alice.send_channel(0x4000 + number, MARK)
    # One denied among others denies them all.
    both = alice.peer("198.51.100.21", PEER_PORT) + alice.peer("127.0.0.1", PEER_PORT)
    assert alice.ask(8, both)[0] == 403
    alice.send("198.51.100.21", PEER_PORT, MARK)
    assert left_with(seen, MARK) == 0
    counters = scene.counters()
    denied = sum(counters[f'relay_denied_peers_total{{reason="{why}"}}'] for why in ("special", "wrapped"))
    assert denied == 2 * len(DENIED) + 1
    assert counters['relay_dropped_total{reason="no_permission"}'] == 3 * len(DENIED) + 1
    assert counters['relay_dropped_total{reason="site"}'] == 4 * len(SITES)
    assert counters['relay_dropped_total{reason="no_channel"}'] == len(DENIED)
    assert counters['relay_packets_total{to="peer"}'] == 0
    # The way that is open is seen.
    assert alice.permit("198.51.100.21") == 0
    alice.send("198.51.100.21", PEER_PORT, MARK)
    assert alice.socket.recv(2000)[:2] == b"\0\x17"
    assert left_with(seen, MARK) == 2  # to the peer, and what it returned to the client


def test_of_the_relay_itself_only_its_other_clients_are_reached():
    scene = Scene(allow=[])
    seen = everything(scene.relay)
    alice, bob = scene.turn(), scene.turn()
    assert alice.allocate()[0] == 0
    code, found = bob.allocate()
    assert code == 0 and alice.permit(scene.address) == 0 and alice.bind(0x4000, scene.address, PORT) == 0
    for port in (PORT, TLS_PORT, 5060, 9):
        alice.send(scene.address, port, MARK)
    alice.send_channel(0x4000, MARK)
    alice.send(*relayed(found), MARK)  # bob has not let her in
    assert left_with(seen, MARK) == 0
    assert bob.permit(scene.address) == 0
    alice.send(*relayed(found), MARK)
    assert MARK in bob.socket.recv(2000)
    assert left_with(seen, MARK) == 1  # to bob, and not through the kernel before
    counters = scene.counters()
    assert counters['relay_dropped_total{reason="own"}'] == 5
    assert counters['relay_dropped_total{reason="no_permission"}'] == 1


def test_who_has_no_allocation_reaches_nobody():
    scene = Scene()
    seen = everything(scene.relay)
    alice, stranger = scene.turn(), scene.turn()
    code, found = alice.allocate()
    assert code == 0 and alice.permit(scene.echo.address) == 0 and alice.bind(0x4000, scene.echo.address, PEER_PORT) == 0
    stranger.send(scene.echo.address, PEER_PORT, MARK)
    stranger.send_channel(0x4000, MARK)
    # Nor does anybody whom alice has not let in reach her.
    outsider = scene.world.host("outsider", 22).socket()
    outsider.sendto(MARK, relayed(found))
    assert left_with(seen, MARK) == 0
    counters = scene.counters()
    assert counters['relay_dropped_total{reason="no_allocation"}'] == 2
    assert counters['relay_dropped_total{reason="no_permission"}'] == 1


def test_a_wrong_secret_and_a_wrong_time():
    scene = Scene()
    assert scene.turn(secret="guessed").allocate()[0] == 401
    late = scene.turn(seconds=-1)
    assert late.allocate()[0] == 401
    counters = scene.counters()
    assert counters['relay_refused_credentials_total{reason="wrong_password"}'] == 1
    assert counters['relay_refused_credentials_total{reason="expired"}'] == 1


def test_floods_leave_nothing_behind():
    """Allocate without credentials, garbage, ChannelData of nobody: 200,000 datagrams; then a client is served."""
    scene = Scene(relay__stranger_answers=10)
    flooder = scene.world.host("flooder", 22)
    sockets = [flooder.socket() for _ in range(20)]
    for one in sockets:
        one.connect((scene.address, PORT))
        one.setblocking(False)
    stranger = message(ALLOCATE, bytes(12), attribute(0x19, b"\x11\0\0\0"))
    kinds = [stranger, stranger, b"\x40\0\xff\xffzz", b"\x7f\xff\0\4zzzz", bytes(30), b"\xff" * 30, stranger[:-1],
             message(SEND, bytes(12), attribute(0x13, b"x"))]

    def flood(count):
        for number in range(count):
            try:
                sockets[number % len(sockets)].send(kinds[number // len(sockets) % len(kinds)])
            except OSError:
                time.sleep(0.0005)

    flood(20_000)
    time.sleep(1)
    before = scene.peer.program.memory()
    flood(180_000)
    time.sleep(1)
    assert scene.peer.program.memory() - before < 512 * 1024
    counters = scene.counters()
    for reason in ("source_limit", "malformed", "not_turn", "no_allocation"):
        assert counters[f'relay_dropped_total{{reason="{reason}"}}'] > 1000, reason
    assert counters["relay_allocations"] == 0
    assert scene.turn().allocate()[0] == 0


def test_garbage_on_a_connection_ends_it():
    scene = Scene()
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x40\0\xff\xff" + bytes(100), b"\xff" * 100):
        stream = scene.client.socket(kind=socket.SOCK_STREAM)
        stream.settimeout(5)
        stream.connect((scene.address, PORT))
        stream.send(garbage)
        try:
            assert stream.recv(100) == b""
        except ConnectionResetError:
            pass
    counters = scene.counters()
    assert counters['relay_connections_closed_total{reason="broken"}'] == 3
    assert counters["relay_connections"] == 0


def deaf(scene):
    """A TCP client with an allocation, which will not read much."""
    stream = scene.client.socket(kind=socket.SOCK_STREAM)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stream.settimeout(5)
    stream.connect((scene.address, PORT))
    turn = scene.turn(over=stream)
    turn.socket.settimeout(5)
    code, found = turn.allocate()
    assert code == 0
    return turn, found


@pytest.mark.parametrize("across", [False, True], ids=["peer", "client"])
def test_a_client_that_stops_reading_costs_a_bounded_queue(across):
    """Also if it is another client of the relay that sends."""
    scene = Scene()
    turn, found = deaf(scene)
    if across:
        sender = scene.turn()
        assert sender.allocate()[0] == 0 and sender.permit(scene.address) == 0
    else:
        sender = scene.echo.socket()
        sender.bind((scene.echo.address, 4000))
    assert turn.permit(scene.address if across else scene.echo.address) == 0

    def flood():
        for _ in range(100):
            for _ in range(100):
                if across:
                    sender.send(*relayed(found), b"x" * 1200)
                else:
                    sender.sendto(b"x" * 1200, relayed(found))
            time.sleep(0.005)

    flood()  # touches what a burst takes, once
    before = scene.peer.program.memory()
    flood()
    counters = wait_for(lambda: (c := scene.counters())['relay_dropped_total{reason="slow_reader"}'] > 0 and c, 10,
                        "packets dropped for a slow reader")
    assert counters["relay_connections"] == 1  # it may read on
    assert scene.peer.program.memory() - before < 1024 * 1024


def test_who_asks_and_never_reads_the_answers_is_cut_off():
    scene = Scene()
    turn, _ = deaf(scene)
    turn.socket.setblocking(False)
    request, left = turn.request(4), b""  # Refresh
    end = time.monotonic() + 60
    with pytest.raises(OSError):  # at last the relay has closed the connection
        while time.monotonic() < end:
            try:
                left = left or request * 50
                left = left[turn.socket.send(left):]
            except BlockingIOError:
                time.sleep(0.01)
    counters = scene.counters()
    assert counters["relay_connections"] == 0 and counters["relay_allocations"] == 0
    assert counters['relay_net_stream_closed_total{reason="overflow"}'] == 1
