"""What each NAT does, seen on the wire: mappings, filtering, forgetting; and links that lose packets."""
import socket
import time

import pytest

from lab import nat
from lab.capture import Capture
from lab.dns import NameServer, Zone, wait_answer
from lab.nat import PORT_PRESERVING, SYMMETRIC, Nat
from lab.world import World

pytestmark = pytest.mark.world

PORT = 7000


def bound(host, port=PORT) -> socket.socket:
    channel = host.socket()
    channel.bind((host.address, port))
    channel.settimeout(0.5)
    return channel


class Scene:
    """One machine behind a NAT, two public ones."""

    def __init__(self, ports, **more):
        self.world = World()
        self.nat = Nat(self.world, "nat", 61, ports, **more)
        self.client = bound(self.nat.host("inside"), 4000)
        self.servers = [bound(self.world.host(name, number)) for name, number in (("one", 21), ("other", 22))]

    def ask(self, server) -> tuple:
        """Where the server sees the client: (address, port)."""
        self.client.sendto(b"hello", server.getsockname())
        return server.recvfrom(100)[1]

    def answered(self, server, source) -> bool:
        """Whether what the server sends to that address comes to the client."""
        server.sendto(b"answer", source)
        try:
            return self.client.recvfrom(100) == (b"answer", server.getsockname())
        except TimeoutError:
            return False


def test_a_port_preserving_nat_has_one_mapping_for_all_destinations():
    scene = Scene(PORT_PRESERVING)
    one, other = scene.servers
    assert scene.ask(one) == scene.ask(other) == (scene.nat.address, 4000)
    assert scene.answered(one, (scene.nat.address, 4000))


def test_a_symmetric_nat_has_a_mapping_per_destination():
    scene = Scene(SYMMETRIC)
    wire = Capture()
    wire.wait_ready()
    start = time.time()
    sources = [scene.ask(server) for server in scene.servers]
    again = [scene.ask(server) for server in scene.servers]
    assert sources == again and sources[0] != sources[1]
    assert all(address == scene.nat.address for address, _ in sources)
    seen = [(packet.source, packet.source_port, packet.target) for packet in wire.since(start)
            if packet.target_port == PORT]
    assert seen == 2 * [(*source, server.getsockname()[0]) for source, server in zip(sources, scene.servers)]
    assert all(scene.answered(server, source) for server, source in zip(scene.servers, sources))


@pytest.mark.parametrize("ports", [PORT_PRESERVING, SYMMETRIC], ids=["preserving", "symmetric"])
def test_nobody_comes_in_who_was_not_asked(ports):
    scene = Scene(ports)
    one, other = scene.servers
    source = scene.ask(one)
    assert not scene.answered(other, source)
    with bound(scene.world.host("one"), PORT + 1) as another_port:
        assert not scene.answered(another_port, source)
    assert scene.answered(one, source)


def test_who_knocks_first_does_not_take_the_port_away():
    """Both sides of a call send at once; what comes too early is dropped and must leave no trace."""
    scene = Scene(PORT_PRESERVING)
    one, _ = scene.servers
    assert not scene.answered(one, (scene.nat.address, 4000))
    assert scene.ask(one) == (scene.nat.address, 4000)


def test_holes_are_punched_through_two_port_preserving_nats():
    scene = Scene(PORT_PRESERVING)
    theirs = Nat(scene.world, "their-nat", 62, PORT_PRESERVING)
    other = bound(theirs.host("far"), 4000)
    scene.client.sendto(b"first", (theirs.address, 4000))
    time.sleep(0.05)
    other.sendto(b"second", (scene.nat.address, 4000))
    assert scene.client.recvfrom(100) == (b"second", (theirs.address, 4000))
    scene.client.sendto(b"third", (theirs.address, 4000))
    assert other.recvfrom(100) == (b"third", (scene.nat.address, 4000))


@pytest.mark.parametrize("ports", [PORT_PRESERVING, SYMMETRIC], ids=["preserving", "symmetric"])
def test_what_a_nat_has_forgotten_does_not_come_in_until_it_is_asked_again(ports):
    scene = Scene(ports)
    one, _ = scene.servers
    before = scene.ask(one)
    scene.nat.forget()
    assert not scene.answered(one, before)
    after = scene.ask(one)
    assert (before == after) == (ports == PORT_PRESERVING)
    assert scene.answered(one, after)


def test_several_behind_one_nat_share_its_address_and_reach_each_other():
    scene = Scene(PORT_PRESERVING)
    second = bound(scene.nat.host("second"), 4000)
    one, _ = scene.servers
    assert scene.ask(one) == (scene.nat.address, 4000)
    second.sendto(b"hello", one.getsockname())
    address, port = one.recvfrom(100)[1]
    assert address == scene.nat.address and port != 4000  # that is taken
    inside = Capture(scene.nat.inside, "inside")
    inside.wait_ready()
    start = time.time()
    second.sendto(b"neighbour", scene.client.getsockname())
    assert scene.client.recvfrom(100)[1] == second.getsockname()
    seen = [(packet.source, packet.target) for packet in inside.since(start) if packet.payload == b"neighbour"]
    assert seen == [("10.61.0.3", "10.61.0.2")]


def test_where_udp_is_blocked_names_and_tcp_go_through():
    scene = Scene(SYMMETRIC, udp=False)
    NameServer(scene.world, [Zone("example.com").add("@ A 198.51.100.10")]).wait_ready()
    client, one = scene.world.host("inside"), scene.servers[0]
    with pytest.raises(TimeoutError):
        scene.ask(one)
    assert wait_answer(client, "example.com", "A") == "198.51.100.10"
    server = scene.world.host("one").socket(kind=socket.SOCK_STREAM)
    server.bind((one.getsockname()[0], PORT))
    server.listen()
    with client.socket(kind=socket.SOCK_STREAM) as stream:
        stream.settimeout(2)
        stream.connect(server.getsockname())
        assert server.accept()[1][0] == scene.nat.address


def test_a_link_that_loses_a_tenth():
    scene = Scene(nat.PORT_PRESERVING)
    one, _ = scene.servers
    one.settimeout(0.1)

    def arrived(count=2000) -> int:
        for _ in range(count):
            scene.client.sendto(b"x", one.getsockname())
        found = 0
        try:
            while one.recv(10):
                found += 1
        except TimeoutError:
            return found
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    assert arrived(200) == 200
    scene.world.host("one").lose(10)
    assert 1700 <= arrived() <= 1890  # 1800 expected; the standard deviation is 13
    scene.world.host("one").lose(0)
    assert arrived(200) == 200
