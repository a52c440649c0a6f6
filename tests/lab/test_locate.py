"""RFC 3263 with real DNS: the world finds the domain's proxy peers, and they find the world's servers."""
import time

import pytest

from domain import DOMAIN, MEMBERS, Domain
from lab import capture, sipp
from lab.baresip import Baresip
from lab.dns import Target, Zone

pytestmark = [pytest.mark.world, pytest.mark.causeway]
PROXIES = ("peer-d", "peer-e")
# One way out only: SIPp answers within a dialogue to where the call came from, not to who asks.
ONE_WAY_OUT = {"peer-a": (30, "registrar"), "peer-d": (33, "registrar,proxy")}
CALLS = 40


def call_in(here: Domain, count: int = 1, **more) -> None:
    """Calls by carol@example.com to alice@p2psip.org, by way of Kamailio, which locates the domain."""
    caller = here.world.host("carol-phone", 103)
    sipp.expect_success(sipp.call(caller, f"{here.address('sip.example.com')}:5060", "carol", "example.com",
                                  "pw-carol", f"alice@{DOMAIN}", count, rate=20, **more))


def call_out(here: Domain, count: int = 1, **more) -> None:
    """Calls by alice@p2psip.org to somebody@example.com: a proxy peer locates that domain."""
    caller = here.world.host("alice-phone", 101)
    sipp.expect_success(sipp.call(caller, f"{here.address('peer-a')}:5060", "alice", DOMAIN, "pw-alice",
                                  "somebody@example.com", count, rate=20, **more))


def servers(here: Domain, numbers, transport: str = "udp") -> list:
    """Hosts of example.com with somebody on them who answers."""
    hosts = [here.world.host(f"server-{number}", number) for number in numbers]
    for host in hosts:
        sipp.answering(host, transport=transport)
    return [host.address for host in hosts]


def crossed(here: Domain, start: float, source: str, target: str) -> set:
    """The transports in which readable INVITEs went from one address to the other."""
    return {m.transport for m in capture.messages(here.capture.since(start)) if m.method == "INVITE"
            and not m.status and m.source.startswith(source + ":") and m.target.startswith(target + ":")}


# ------------------------------------------------------------------------------ from outside in

def test_calls_from_outside_spread_by_weight():
    here = Domain(outside=True, targets=[Target("198.51.100.33", 10, 30), Target("198.51.100.34", 10, 10)])
    here.callee("alice", 101, "peer-a")
    start = time.time()
    call_in(here, CALLS)
    first, second = here.counts(start, [here.address(name) for name in PROXIES])
    assert first + second == CALLS
    assert 20 <= first <= 38, f"weights 30 and 10 gave {first} and {second} of {CALLS}"


def test_calls_from_outside_go_to_the_second_proxy_when_the_first_is_dead():
    here = Domain(outside=True)
    here.callee("alice", 101, "peer-a")
    here.overlay["peer-d"].kill()
    start = time.time()
    call_in(here, 2)
    assert here.counts(start, [here.address("peer-e")]) == [2]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_the_transport_that_our_naptr_prefers_is_used_from_outside(transport):
    other = {"tcp": "udp", "udp": "tcp"}[transport]
    here = Domain(outside=True, transports=[transport, other, "tls"])
    here.callee("alice", 101, "peer-a")
    start = time.time()
    call_in(here)
    assert crossed(here, start, "198.51.100.10", here.address("peer-d")) == {transport}


def test_a_domain_reachable_by_tls_only_is_called_by_tls():
    here = Domain(outside=True, transports=["tls"])
    here.callee("alice", 101, "peer-a")
    start = time.time()
    call_in(here)
    packets = here.capture.since(start)
    assert any(p.target == here.address("peer-d") and p.target_port == 5061 and p.payload for p in packets)
    assert crossed(here, start, "198.51.100.10", here.address("peer-d")) == set()


# ------------------------------------------------------------------------------ from inside out

def test_calls_to_the_outside_spread_by_weight():
    zone = Zone("example.com").sip([Target("198.51.100.10", 10, 30), Target("198.51.100.11", 10, 10)], ["udp"])
    here = Domain([zone], members=ONE_WAY_OUT)
    addresses = servers(here, [10, 11])
    start = time.time()
    call_out(here, CALLS)
    first, second = here.counts(start, addresses)
    assert first + second == CALLS
    assert 20 <= first <= 38, f"weights 30 and 10 gave {first} and {second} of {CALLS}"


def test_a_weight_of_zero_is_hardly_ever_drawn():
    zone = Zone("example.com").sip([Target("198.51.100.10", 10, 0), Target("198.51.100.11", 10, 60)], ["udp"])
    here = Domain([zone], members=ONE_WAY_OUT)
    addresses = servers(here, [10, 11])
    start = time.time()
    call_out(here, CALLS)
    assert here.counts(start, addresses)[1] >= CALLS - 4


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_dead_first_target_is_passed_over(transport):
    """The host is up, nobody listens: refused at once."""
    zone = Zone("example.com").sip([Target("198.51.100.10", 10), Target("198.51.100.11", 20)], [transport])
    here = Domain([zone], members=ONE_WAY_OUT)
    here.world.host("server-10", 10)
    addresses = servers(here, [11], transport)
    start = time.time()
    call_out(here, 3)
    assert here.counts(start, addresses) == [3]
    assert time.time() - start < 15


def test_the_second_priority_is_left_alone_while_the_first_answers():
    zone = Zone("example.com").sip([Target("198.51.100.10", 10), Target("198.51.100.11", 20)], ["udp"])
    here = Domain([zone], members=ONE_WAY_OUT)
    addresses = servers(here, [10, 11])
    start = time.time()
    call_out(here, 10)
    assert here.counts(start, addresses) == [10, 0]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_the_transport_that_the_others_naptr_prefers_is_used(transport):
    other = {"tcp": "udp", "udp": "tcp"}[transport]
    here = Domain([Zone("example.com").sip([Target("198.51.100.10")], [transport, other])],
                  members=ONE_WAY_OUT)
    addresses = servers(here, [10], transport)
    start = time.time()
    call_out(here)
    assert crossed(here, start, here.address("peer-d"), addresses[0]) == {transport}


def test_srv_without_naptr_is_enough():
    zone = Zone("example.com").add("_sip._tcp SRV 10 10 5070 sip1", "sip1 A 198.51.100.10")
    here = Domain([zone], members=ONE_WAY_OUT)
    host = here.world.host("server-10", 10)
    sipp.answering(host, 5070, "tcp")
    start = time.time()
    call_out(here)
    assert here.counts(start, [host.address]) == [1]


def test_an_address_record_alone_is_enough():
    here = Domain([Zone("example.com").add("@ A 198.51.100.10")], members=ONE_WAY_OUT)
    addresses = servers(here, [10])
    start = time.time()
    call_out(here)
    assert here.counts(start, addresses) == [1]


def test_a_domain_that_takes_tls_only_is_called_by_tls():
    zone = Zone("example.com").sip([Target("198.51.100.10")], ["tls"])
    here = Domain([zone], outside=True)
    alice = Baresip(here.world, "alice", 101, f"alice@{DOMAIN}", "pw-alice", 440, f"sip:{here.address('peer-a')}",
                    here.ca.certificate)
    carol = Baresip(here.world, "carol", 103, "carol@example.com", "pw-carol", 880, "sip:198.51.100.10",
                    here.ca.certificate)
    for phone in (alice, carol):
        phone.connect()
        phone.wait_registered()
    start = time.time()
    alice.dial("sip:carol@example.com")
    alice.wait_event("CALL_ESTABLISHED", 10)
    packets = here.capture.since(start)
    proxies = {here.address(name) for name in MEMBERS}
    assert any(p.source in proxies and p.target_port == 5061 and p.payload for p in packets)
    assert not any(crossed(here, start, proxy, "198.51.100.10") for proxy in proxies)
