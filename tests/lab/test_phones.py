"""The lab without Causeway: two conventional domains, whose phones call each other."""
import time

import pytest

from lab import capture, sipp, tone
from lab.baresip import Baresip
from lab.ca import CertificateAuthority
from lab.dns import NameServer, Target, Zone
from lab.kamailio import Kamailio
from lab.world import STATE, Failure, World, wait_for

pytestmark = pytest.mark.world


class Conventional:
    """example.com and example.org, each with one user."""

    def __init__(self, transports=("udp", "tcp", "tls")):
        self.world = World()
        self.ca = CertificateAuthority(STATE / "ca")
        self.dns = NameServer(self.world, [Zone("example.com").sip([Target("198.51.100.10")], transports),
                                           Zone("example.org").sip([Target("198.51.100.20")], transports)])
        self.com = Kamailio(self.world, "sip.example.com", 10, "example.com", {"carol": "pw"}, self.ca)
        self.org = Kamailio(self.world, "sip.example.org", 20, "example.org", {"dave": "pw", "erin": "pw"}, self.ca)
        for server in (self.dns, self.com, self.org):
            server.wait_ready()

    def phones(self, parameters=""):
        carol = Baresip(self.world, "carol", 103, "carol@example.com", "pw", 440,
                        f"sip:198.51.100.10{parameters}", self.ca.certificate)
        dave = Baresip(self.world, "dave", 104, "dave@example.org", "pw", 880,
                       f"sip:198.51.100.20{parameters}", self.ca.certificate)
        for phone in (carol, dave):
            phone.connect()
            phone.wait_registered()
        return carol, dave


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_phones_of_two_domains_hear_each_other(transport):
    here = Conventional([transport])
    wire = capture.Capture()
    wire.wait_ready()
    carol, dave = here.phones()
    start = time.time()
    carol.dial("sip:dave@example.org")
    carol.wait_event("CALL_ESTABLISHED", 5)
    dave.wait_event("CALL_ESTABLISHED", 5)
    wait_for(lambda: min(carol.heard_seconds(), dave.heard_seconds()) > 1, 5, "a second of sound")
    assert tone.share(carol.heard(), 880)[0] > 0.9 and tone.share(carol.heard(), 440)[0] < 0.1
    assert tone.share(dave.heard(), 440)[0] > 0.9 and tone.share(dave.heard(), 880)[0] < 0.1
    dave.hang_up()
    carol.wait_event("CALL_CLOSED", 5)
    between = [m for m in capture.messages(wire.since(start)) if m.source.startswith("198.51.100.10:")
               and m.target.startswith("198.51.100.20:")]
    assert {m.transport for m in between} == ({transport} if transport != "tls" else set())


def test_a_phone_takes_a_second_account_and_gives_it_back():
    here = Conventional()
    carol, dave = here.phones()
    carol.add_account(carol.account_line("erin@example.org", "pw", "sip:198.51.100.20"))
    assert here.org.registered("erin")
    carol.dial("sip:dave@example.org")  # as carol still
    carol.wait_event("CALL_ESTABLISHED", 5)
    dave.wait_event("CALL_ESTABLISHED", 5, peeruri="carol@example.com")
    carol.end_calls()
    assert carol.calls() == 0
    carol.reset_accounts()
    assert "erin" not in carol.command("reginfo")
    carol.forget_events()
    dave.dial("sip:carol@example.com")
    carol.wait_event("CALL_ESTABLISHED", 5)


def test_failures_say_what_came():
    here = Conventional()
    carol, _ = here.phones()
    carol.dial("sip:nobody@example.org")
    with pytest.raises(Failure, match="404 Not Found"):
        carol.wait_event("CALL_ESTABLISHED", 5)
    with pytest.raises(Failure, match="(?s)Authentication|40[137]|unexpected"):
        sipp.register(here.world.host("eve", 105), "198.51.100.10:5060", "carol", "example.com", "wrong")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_sipp_registers_calls_and_answers(transport):
    here = Conventional()
    caller, callee = here.world.host("caller", 103), here.world.host("callee", 104)
    sipp.register(callee, "198.51.100.20:5060", "dave", "example.org", "pw", transport)
    answering = sipp.answering(callee, transport=transport)
    calls = sipp.call(caller, "198.51.100.10:5060", "carol", "example.com", "pw", "dave@example.org", count=5, rate=50,
                      transport=transport)
    sipp.expect_success(calls)
    assert answering.alive()
