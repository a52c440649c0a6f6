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


def test_a_changed_zone_is_served_at_once():
    here = World()
    server = NameServer(here, [Zone("example.com").sip([Target("198.51.100.10")], ["udp"])])
    server.wait_ready()
    asker = here.host("asker", 101)
    assert wait_answer(asker, "sip1.example.com", "A") == "198.51.100.10"
    server.replace(Zone("example.com").sip([Target("198.51.100.77")], ["tcp"]))
    assert wait_answer(asker, "sip1.example.com", "A") == "198.51.100.77"
    assert wait_answer(asker, "example.com", "NAPTR") == '10 10 "s" "SIP+D2T" "" _sip._tcp.example.com.'
