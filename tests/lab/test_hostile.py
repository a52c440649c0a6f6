"""Attacks that need real sockets: connections by the thousand, slow and endless streams, forged sources.

Each asks the same: the counter moves, calls succeed meanwhile and afterwards, memory does not grow, nothing is left.
What can be shown under virtual time is in src/proxy/hostile_test.cc; the table of all is in docs/security.md.
"""
import json
import os
import random
import re
import resource
import socket
import struct
import time
from pathlib import Path

import pytest

from lab import causeway
from lab.world import STATE, World, wait_for

RIG = Path(__file__).parents[2] / "bench" / "rig"
SANITIZED = any(name in os.environ.get("CAUSEWAY", "") for name in ("asan", "tsan"))  # their memory is their own
CONNECTIONS = 10_000
SO_RCVBUFFORCE = 33  # socket(7); Python has no name for it
pytestmark = [pytest.mark.world, pytest.mark.causeway]


class Target:
    """A peer of a throwaway domain, two phones that call each other through it, and somebody who wishes it ill."""

    def __init__(self, *settings: str):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.world = World()
        self.machine, self.phones, self.attacker = (self.world.host(name, number) for name, number in
                                                    (("machine", 30), ("phones", 101), ("attacker", 66)))
        self.control = STATE / "control"
        self.address = (self.machine.address, 5060)
        sets = [word for setting in (f"peer.control={self.control}", *settings) for word in ("--set", setting)]
        self.peer = self.machine.start("try", str(causeway.program()), "try", "p2p.test", "--yes-really",
                                       "--listen", f"{self.machine.address}:5060", *sets)
        wait_for(lambda: "is up" in self.peer.output(), 10, "the peer to be up")
        self.users = STATE / "users.csv"
        self.users.write_text("SEQUENTIAL\n" + "".join(f"u{i};\n" for i in range(10)))
        register = STATE / "register.xml"
        register.write_text((RIG / "reg.xml").read_text().replace("127.0.0.1:5080", "[local_ip]:5080;transport=[transport]"))
        once = ("-m", "10", "-r", "100", "-timeout", "10", "-timeout_error")
        assert self.sipp("register", register, 5070, *once).process.wait(15) == 0
        self.sipp("answer", RIG / "uas.xml", 5080)
        self.calls = 0

    def sipp(self, name, scenario, port, *more):
        return self.phones.start(name, "sipp", f"{self.machine.address}:5060", "-sf", str(scenario), "-inf", str(self.users),
                                 "-i", self.phones.address, "-p", str(port), "-t", "u1", "-nostdin", *more, cwd=STATE)

    def served(self, count: int = 10) -> None:
        """Calls go through, all of them."""
        self.calls += 1
        calls = self.sipp(f"call{self.calls}", RIG / "uac.xml", 5090, "-m", str(count), "-r", "20", "-timeout", "20", "-timeout_error")
        assert calls.process.wait(25) == 0, calls.tail()

    def status(self) -> dict:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(self.control))
            channel.sendall(b'{"command": "status"}\n')
            return json.loads(channel.makefile().readline())

    def count(self, name: str) -> int:
        return self.status()["counters"][name]

    def connect(self) -> socket.socket:
        channel = self.attacker.socket(socket.AF_INET, socket.SOCK_STREAM)
        channel.connect(self.address)
        return channel

    def connect_many(self, count: int) -> list:
        with self.attacker.inside():
            found = []
            for _ in range(count):
                found.append(socket.create_connection(self.address))
        return found

    def nothing_left(self, seconds: float = 45) -> None:
        def empty():
            core = self.status()["sip_core"]
            return not any(core[what] for what in ("connections", "server_transactions", "client_transactions", "calls_in_setup"))
        self.peer.wait_until(empty, seconds, "no transaction and no connection to be left")


def closed(channel: socket.socket, seconds: float) -> bytes:
    """What came until the other side closed."""
    channel.settimeout(seconds)
    got = b""
    try:
        while part := channel.recv(65536):
            got += part
    except ConnectionResetError:
        pass
    return got


def request(method: str, uri: str, host: str, number: int, transport: str = "UDP") -> bytes:
    return (f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {host}:5060;branch=z9hG4bKh{number};rport\r\nMax-Forwards: 9\r\n"
            f"From: <sip:x@{host}>;tag={number}\r\nTo: <{uri}>\r\nCall-ID: h{number}\r\nCSeq: 1 {method}\r\n"
            "Content-Length: 0\r\n\r\n").encode()


def test_ten_thousand_idle_connections():
    target = Target("sip.max_connections_per_source=20000")
    target.served()
    target.nothing_left()
    before = target.peer.memory()
    grown = []
    for _ in range(2):
        idle = target.connect_many(CONNECTIONS)
        target.peer.wait_until(lambda: target.status()["sip_core"]["connections"] == CONNECTIONS, 20, "all to be accepted")
        grown.append(target.peer.memory() - before)
        target.served()
        for channel in idle:
            channel.close()
        target.peer.wait_until(lambda: target.status()["sip_core"]["connections"] == 0, 20, "all to be closed")
    print(f"{grown[0] / CONNECTIONS:.0f} bytes of the peer's memory for each idle connection")
    assert target.count("net_accepted_total") >= 2 * CONNECTIONS
    if not SANITIZED:
        assert grown[0] / CONNECTIONS < 4096
        assert grown[1] < grown[0] + 2_000_000, "the second ten thousand took more than the first"
    target.served()
    target.nothing_left()


def test_a_host_that_vanished_is_asked_for():
    """TCP keep-alive: a minute after the last byte (net::limits::kKeepAliveIdle), as the kernel says."""
    target = Target()
    idle = target.connect()
    target.peer.wait_until(lambda: target.status()["sip_core"]["connections"] == 1, 5, "the connection")
    timer = re.search(r"timer:\(keepalive,([^,]+),", target.machine.run("ss", "-tnoH", "sport", "= :5060").stdout)
    assert timer and timer.group(1) in ("1min", *(f"{n}sec" for n in range(50, 60)))
    target.machine.run("sysctl", "-w", "net.ipv4.tcp_keepalive_intvl=75")  # the kernel's own is not ours
    target.attacker.plug(up=False)
    end = time.monotonic() + 60 + 32 + 15
    while target.status()["sip_core"]["connections"] and time.monotonic() < end:
        time.sleep(1)
    assert target.count('net_stream_closed_total{reason="timeout"}') == 1
    idle.close()


def test_a_network_that_takes_nothing():
    """Answers wait for room in the kernel, then some are dropped; when the network is free again, all is well."""
    target = Target("sip.stranger_answers=0")
    target.machine.run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "8kbit", "burst", "2kb", "limit", "100mb")
    asking = target.attacker.socket()
    asking.bind((target.attacker.address, 5060))
    for i in range(60_000):
        asking.sendto(request("OPTIONS", "sip:p2p.test", target.attacker.address, i), target.address)
        if i % 100 == 0:
            time.sleep(0.01)
    dropped = 'net_udp_dropped_total{reason="queue_full"}'
    target.peer.wait_until(lambda: target.count(dropped) > 0, 20, "answers to be dropped")
    target.machine.run("tc", "qdisc", "del", "dev", "eth0", "root")
    before = target.count(dropped)
    target.served()
    assert target.count(dropped) == before
    target.nothing_left()


def test_connections_beyond_the_limits():
    target = Target("sip.max_connections=300", "sip.max_connections_per_source=200")
    idle = target.connect_many(250)  # of one source: the last fifty are refused
    target.peer.wait_until(lambda: target.count("net_accept_refused_total") == 50, 5, "fifty to be refused")
    assert all(closed(channel, 2) == b"" for channel in idle[200:])
    with target.phones.inside():  # of another: those that were silent for the longest time give way
        more = [socket.create_connection(target.address) for _ in range(150)]
    target.peer.wait_until(lambda: target.count("net_accept_made_room_total") == 50, 5, "fifty to give way")
    assert all(closed(channel, 2) == b"" for channel in idle[:50])
    target.served()
    for channel in idle + more:
        channel.close()
    target.nothing_left()


def test_slow_streams_and_endless_headers():
    target = Target()
    slow = target.connect_many(200)
    text = request("OPTIONS", "sip:p2p.test", target.attacker.address, 1, "TCP")
    endless = target.connect()
    endless.sendall(text.partition(b"\r\n\r\n")[0] + b"\r\n")
    for _ in range(700):  # a little more than the 32 kB that are read
        endless.sendall(b"X-Header: another line, and then one more of them\r\n")
    assert closed(endless, 5).startswith(b"SIP/2.0 513")
    assert target.count('sip_dropped_total{reason="too large"}') == 1
    assert target.count('sip_connections_ended_total{reason="not SIP"}') == 1
    begun = time.monotonic()
    at = 0
    while time.monotonic() < begun + 19:
        for channel in slow:
            channel.send(text[at:at + 1])
        at += 1
        if at == 5:
            target.served()
        time.sleep(1)
    assert target.status()["sip_core"]["connections"] == 200
    target.peer.wait_until(lambda: target.count('sip_connections_ended_total{reason="slow message"}') == 200, 5,
                           "the slow ones to be cut off")
    target.served()
    target.nothing_left()


def udp_packet(source: str, target: tuple, payload: bytes) -> bytes:
    """An IPv4 packet that says it comes from `source` port 5060."""
    length = 28 + len(payload)
    addresses = socket.inet_aton(source) + socket.inet_aton(target[0])
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    return header + struct.pack("!HHHH", 5060, target[1], length - 20, 0) + payload


def test_a_flood_from_forged_sources():
    target = Target()
    target.served()
    target.nothing_left()
    with target.attacker.inside():
        forge = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    forge.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    victim = target.world.host("victim", 99)
    ears = victim.socket()
    ears.bind((victim.address, 5060))
    ears.setblocking(False)
    ears.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    place = (target.machine.address, 0)
    before = target.peer.memory()
    for i in range(30_000):  # one each from as many sources, and one in ten from one victim
        source = victim.address if i % 10 == 0 else socket.inet_ntoa(struct.pack("!I", 0x0A000000 + random.getrandbits(24)))
        packet = request("OPTIONS", "sip:p2p.test", source, i)
        forge.sendto(udp_packet(source, target.address, packet), place)
        if i % 10_000 == 9_999:
            target.served()
    heard, largest = 0, 0
    try:
        while datagram := ears.recv(65536):
            heard += 1
            largest = max(largest, len(datagram))
    except BlockingIOError:
        pass
    assert 200 <= heard <= 200 + 50 * 60, "four seconds' worth, and fifty a second"
    assert heard < 3000 or target.count('sip_stranger_unanswered_total{reason="rate"}') > 0
    assert largest <= 2 * len(packet)
    assert target.count('sip_stranger_unanswered_total{reason="rate"}') > 500
    target.served()
    target.nothing_left()
    if not SANITIZED:  # its table of sources, and blocks of 30,000 transactions at most
        assert target.peer.memory() - before < 32_000_000
