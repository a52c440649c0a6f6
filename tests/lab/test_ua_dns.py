"""`causeway ua` on a phone's line that knows nothing but its account: servers and relays by the DNS (RFC 3263, 5928)."""
import time

import pytest

from domain import DOMAIN, Domain
from lab import capture
from lab.dns import Target, Zone
from lab.nat import SYMMETRIC, Nat
from lab.ua import UserAgent
from lab.world import wait_for

pytestmark = [pytest.mark.world, pytest.mark.causeway]


def phone(here: Domain, user: str, number: int, *arguments: str, domain: str = DOMAIN) -> UserAgent:
    """Registered by what the DNS says; it answers calls."""
    ua = UserAgent.phone(here.world.host(f"{user}-phone", number), f"{user}@{domain}", "", 440 + 10 * number, "--answer", "0",
                         "--ca", str(here.ca.certificate), *arguments, password=f"pw-{user}")
    ua.wait_event("registered", 10)
    return ua


def talk(one: UserAgent, other: UserAgent) -> None:
    wait_for(lambda: one.heard_seconds() > 1 and other.heard_seconds() > 1, 8, "sound at both ends")
    assert one.hears(other.frequency) > 0.9 and other.hears(one.frequency) > 0.9


def sent(here: Domain, start: float, source: UserAgent, method: str) -> set:
    """(where to, transport) of the readable requests of that method that it has sent since then."""
    return {(here.world.name_of(m.target.rpartition(":")[0]), m.transport)
            for m in capture.messages(here.capture.since(start))
            if m.method == method and not m.status and m.source.startswith(source.host.address + ":")}


def test_the_server_in_use_dies_in_a_call():
    here = Domain(transports=["udp", "tcp"])
    start = time.time()
    alice, bob = phone(here, "alice", 101), phone(here, "bob", 102)
    assert sent(here, start, alice, "REGISTER") == {("peer-d", "udp")}
    alice.dial("bob")
    alice.wait_event("first audio", 8)
    here.overlay["peer-d"].kill()
    start = time.time()
    wait_for(lambda: ("peer-e", "udp") in sent(here, start, alice, "REGISTER")
             and ("peer-e", "udp") in sent(here, start, bob, "REGISTER"), 60, "both to register at the other peer")
    talk(alice, bob)
    alice.hang_up()
    bob.wait_event("ended", by="them")
    alice.forget_events()
    start = time.time()
    alice.dial("bob")
    alice.wait_event("established", 12)
    bob.wait_event("established", 5)
    assert {name for name, _ in sent(here, start, alice, "INVITE")} == {"peer-e"}


def test_a_call_while_the_first_server_is_dead():
    here = Domain(transports=["udp"])
    alice, bob = phone(here, "alice", 101), phone(here, "bob", 102, "--via", f"udp:{here.address('peer-e')}:5060")
    here.overlay["peer-d"].kill()
    start = time.time()
    alice.dial("bob")
    alice.wait_event("established", 12)
    talk(alice, bob)
    assert {name for name, _ in sent(here, start, alice, "INVITE")} == {"peer-d", "peer-e"}


def test_over_tls_the_certificate_must_be_the_domains():
    other = Zone("example.net").sip([Target("198.51.100.33")], ["tls"])
    here = Domain(transports=["tls"], zones=[other])
    alice, bob = phone(here, "alice", 101), phone(here, "bob", 102)
    alice.dial("bob")
    alice.wait_event("first audio", 8)
    lured = UserAgent.phone(here.world.host("lured", 103), "dora@example.net", "", 440, "--ca", str(here.ca.certificate))
    assert "its certificate is for its domain" in lured.wait_event("error", 10, address="sip:dora@example.net")["do"]
    assert not lured.latest("registered")


def test_a_domain_of_kamailio():
    here = Domain(outside=True, transports=["udp", "tcp"])
    alice, carol = phone(here, "alice", 101), phone(here, "carol", 103, domain="example.com")
    for caller, callee, whom in ((carol, alice, f"alice@{DOMAIN}"), (alice, carol, "carol@example.com")):
        for ua in (caller, callee):
            ua.clear_recordings()
            ua.forget_events()
        caller.dial(whom)
        caller.wait_event("established", 10)
        callee.wait_event("established", 10)
        talk(caller, callee)
        callee.hang_up()
        caller.wait_event("ended", by="them")


def test_a_domain_that_is_not_there():
    here = Domain()
    ua = UserAgent.phone(here.world.host("lost", 103), "lost@nowhere.example", "", 440, "--dns-server", here.dns.host.address)
    assert ua.wait_event("error", 10)["expected"] == "a server of nowhere.example in the DNS"


@pytest.mark.parametrize("refused", [False, True], ids=["taken", "refused"])
def test_an_invite_that_is_too_long_for_udp(refused):
    """RFC 3261 18.1.1: over TCP, and over UDP after all where that is refused."""
    here = Domain(transports=["udp"])
    alice, bob = phone(here, "alice", 101, "--name", "x" * 500), phone(here, "bob", 102)
    if refused:
        alice.host.nft("table inet own {", "  chain output {", "    type filter hook output priority 0;",
                       "    tcp dport 5060 reject with tcp reset;", "  }", "}")
    start = time.time()
    alice.dial("bob")
    talk(alice, bob)
    assert sent(here, start, alice, "INVITE") == {("peer-d", "udp" if refused else "tcp")}
    alice.hang_up()
    bob.wait_event("ended", by="them")
    # With that name, two answers to challenges and two routes the BYE is as long.
    assert sent(here, start, alice, "BYE") == {("peer-d", "udp" if refused else "tcp")}


# ------------------------------------------------------------------------------------- relays (RFC 5928)

@pytest.mark.parametrize("udp", [True, False], ids=["symmetric", "UDP blocked"])
def test_relays_by_the_dns_alone(udp):
    """Two phones behind NATs that only relays cross: they have their domain's, by an account and nothing else."""
    relay = "198.51.100.34"
    members = {"peer-a": (30, "registrar"), "peer-d": (33, "registrar,proxy"), "peer-e": (34, "relay")}
    zone = Zone(DOMAIN).sip([Target("198.51.100.33")], ["tcp"]).turn([Target(relay)], ["udp", "tcp"])
    here = Domain(zones=[zone], members=members)

    def behind_nat(user: str, number: int, frequency: int, udp: bool = True) -> UserAgent:
        host = Nat(here.world, f"nat-{user}", number, SYMMETRIC, udp=udp).host(f"{user}-phone")
        ua = UserAgent.phone(host, f"{user}@{DOMAIN}", "", frequency, "--answer", "0", password=f"pw-{user}")
        ua.wait_event("registered", 15)
        return ua

    alice = behind_nat("alice", 61, 440, udp)
    bob = behind_nat("bob", 62, 660)
    alice.dial("bob")
    assert alice.wait_event("relays found")["relays"] == [f"udp:{relay}:3478", f"tcp:{relay}:3478"]
    assert alice.wait_event("allocated")["address"].startswith(relay + ":")
    talk(alice, bob)
    assert "relay" in alice.pair() + bob.pair()
    alice.hang_up()
    bob.wait_event("ended", by="them")


def test_no_relays_where_none_are_wanted():
    zone = Zone(DOMAIN).sip([Target("198.51.100.33")], ["udp"]).turn([Target("198.51.100.34")], ["udp"])
    here = Domain(zones=[zone])
    alice, bob = phone(here, "alice", 101, "--no-relays"), phone(here, "bob", 102)
    alice.dial("bob")
    assert alice.wait_event("relays found")["relays"] == []
    assert bob.wait_event("relays found")["relays"] == ["udp:198.51.100.34:3478"]
    talk(alice, bob)
