"""The name server answers what the zones say, and follows when they change."""
import pytest

from lab.dns import NameServer, Target, Zone, wait_answer
from lab.world import World

pytestmark = pytest.mark.world


def test_a_sip_domain_has_naptr_srv_and_address_records():
    here = World()
    server = NameServer(here, [Zone("example.com").sip([Target("198.51.100.10", 10, 70),
                                                        Target("198.51.100.11", 20, 30, port=5080)])])
    server.wait_ready()
    asker = here.host("asker", 101)
    naptr = sorted(wait_answer(asker, "example.com", "NAPTR").splitlines())
    assert naptr == ['10 10 "s" "SIP+D2U" "" _sip._udp.example.com.',
                     '20 10 "s" "SIP+D2T" "" _sip._tcp.example.com.',
                     '30 10 "s" "SIPS+D2T" "" _sips._tcp.example.com.']
    assert sorted(wait_answer(asker, "_sip._udp.example.com", "SRV").splitlines()) == [
        "10 70 5060 sip1.example.com.", "20 30 5080 sip2.example.com."]
    assert "10 70 5061 sip1.example.com." in wait_answer(asker, "_sips._tcp.example.com", "SRV")
    assert wait_answer(asker, "sip2.example.com", "A") == "198.51.100.11"
    assert (asker.address, "NAPTR") in server.queries("example.com")


def test_relays_are_found_under_turn():
    """As a TURN client does by RFC 5928 that knows no more than turn:p2psip.org."""
    here = World()
    zone = Zone("p2psip.org").sip([Target("198.51.100.33")]).turn([Target("198.51.100.41"), Target("198.51.100.42", 20)])
    NameServer(here, [zone]).wait_ready()
    asker = here.host("asker", 101)
    naptr = [line.split() for line in wait_answer(asker, "p2psip.org", "NAPTR").splitlines()]
    relays = sorted((int(order), service.strip('"'), target) for order, _, _, service, _, target in naptr
                    if service.startswith('"RELAY:'))
    assert relays == [(10, "RELAY:turn.udp", "_turn._udp.p2psip.org."), (20, "RELAY:turn.tcp", "_turn._tcp.p2psip.org."),
                      (30, "RELAY:turn.tls", "_turns._tcp.p2psip.org.")]
    for (_, _, target), port in zip(relays, (3478, 3478, 5349)):
        assert sorted(wait_answer(asker, target, "SRV").splitlines()) == [
            f"10 10 {port} turn1.p2psip.org.", f"20 10 {port} turn2.p2psip.org."]
    assert wait_answer(asker, "turn2.p2psip.org", "A") == "198.51.100.42"


def test_a_changed_zone_is_served_at_once():
    here = World()
    server = NameServer(here, [Zone("example.com").sip([Target("198.51.100.10")], ["udp"])])
    server.wait_ready()
    asker = here.host("asker", 101)
    assert wait_answer(asker, "sip1.example.com", "A") == "198.51.100.10"
    server.replace(Zone("example.com").sip([Target("198.51.100.77")], ["tcp"]))
    assert wait_answer(asker, "sip1.example.com", "A") == "198.51.100.77"
    assert wait_answer(asker, "example.com", "NAPTR") == '10 10 "s" "SIP+D2T" "" _sip._tcp.example.com.'
