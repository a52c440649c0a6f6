"""`causeway ua` on a phone's line: calls through a peer, with itself and with baresip."""
import time

import pytest

from lab import causeway, sip, tone
from lab.baresip import Baresip
from lab.ca import CertificateAuthority
from lab.dns import NameServer, Zone
from lab.ua import UserAgent
from lab.world import STATE, World, wait_for

from domain import DOMAIN, Domain

pytestmark = [pytest.mark.world, pytest.mark.causeway]


class TryDomain:
    """example.test by `causeway try`."""

    def __init__(self):
        self.world = World()
        NameServer(self.world, [Zone("example.test").add("@ A 198.51.100.30")]).wait_ready()
        self.host = self.world.host("machine", 30)
        program = self.host.start("try", str(causeway.program()), "try", "example.test", "--yes-really", "--listen",
                                  f"{self.host.address}:5060")
        sip.wait_answering(program, self.host, "example.test")

    def phone(self, name: str, number: int, *arguments: str, transport: str = "udp") -> UserAgent:
        ua = UserAgent.phone(self.world.host(name, number), f"{name}@example.test",
                             f"{transport}:{self.host.address}:5060", 440 + 10 * number, *arguments)
        ua.wait_event("registered", address=f"sip:{name}@example.test")
        return ua


def both_hear(one: UserAgent, other: UserAgent, seconds: float = 1) -> None:
    wait_for(lambda: one.heard_seconds() > seconds and other.heard_seconds() > seconds, 8, "sound at both ends")
    assert one.hears(other.frequency) > 0.9 and other.hears(one.frequency) > 0.9


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("media", [(), ("--dtls",), ("--no-ice",), ("--codec", "opus")], ids=["ice", "dtls", "no ice", "opus"])
def test_two_user_agents_call_each_other(transport, media):
    domain = TryDomain()
    bob = domain.phone("bob", 102, "--answer", "0.2", *media, transport=transport)
    alice = domain.phone("alice", 101, "--call", "bob", "--for", "3", *media, transport=transport)
    bob.wait_event("incoming", **{"from": "sip:alice@example.test"})
    alice.wait_event("ringing")
    for ua in (alice, bob):
        ua.wait_event("established")
    for ua in (alice, bob):
        ua.wait_event("first audio")
    assert alice.end(10) == 0
    assert bob.wait_event("ended")["by"] == "them"
    assert alice.hears(bob.frequency) > 0.9 and bob.hears(alice.frequency) > 0.9


def test_commands():
    domain = TryDomain()
    alice, bob = domain.phone("alice", 101), domain.phone("bob", 102)
    alice.tell("call bob")
    bob.wait_event("incoming")
    bob.tell("answer")
    both_hear(alice, bob)
    alice.tell("hold")
    assert alice.wait_event("hold")["held"] and bob.wait_event("hold", by="them")["held"]
    alice.tell("resume")
    assert not alice.wait_event("hold")["held"] and not bob.wait_event("hold", by="them")["held"]
    alice.tell("dtmf 19#")
    assert "".join(bob.wait_event("dtmf")["digit"] for _ in range(3)) == "19#"
    alice.tell("status")
    call, = alice.wait_event("status")["calls"]
    assert call["state"] == "established" and call["packets_received"] > 0
    counters = alice.latest("status")["counters"]
    assert counters['ua_calls_total{direction="out"}'] == 1 and "ua_paths_not_found_total" not in counters
    alice.tell("frobnicate")
    assert "not a command" in alice.wait_event("error")["came"]
    bob.tell("hangup")
    assert alice.wait_event("ended")["established"]
    alice.tell("call bob")
    bob.wait_event("incoming")
    alice.tell("hangup")
    assert bob.wait_event("ended")["reason"] == "the caller gave up"
    alice.wait_event("ended", by="us")
    alice.tell("call nobody")
    assert alice.wait_event("ended")["status"] == 404
    for ua in (alice, bob):
        ua.tell("quit")
        assert ua.end() == 0


def test_the_exit_status_tells_of_the_call():
    domain = TryDomain()
    alice = domain.phone("alice", 101, "--call", "nobody", "--for", "1")
    assert alice.end() == 1
    bad = domain.world.host("alice", 101).run(str(causeway.program()), "ua", "--account", "alice", "--via", "udp:127.0.0.1:1",
                                              check=False)
    assert bad.returncode == 1 and "expected an address such as sip:alice@example.org, found 'alice'" in bad.stderr


@pytest.mark.parametrize("caller", ["ua", "baresip"])
def test_a_call_with_baresip(caller):
    domain = TryDomain()
    ca = CertificateAuthority(STATE / "ca")
    baresip = Baresip(domain.world, "carol", 103, "carol@example.test", "any", 880, f"sip:{domain.host.address}",
                      ca.certificate)
    baresip.connect()
    baresip.wait_registered()
    alice = domain.phone("alice", 101, "--answer", "0")
    if caller == "ua":
        alice.tell("call carol")
    else:
        baresip.dial("sip:alice@example.test")
    alice.wait_event("established")
    baresip.wait_event("CALL_ESTABLISHED", 5)
    wait_for(lambda: baresip.heard_seconds() > 1 and alice.heard_seconds() > 1, 8, "a second of sound at both ends")
    assert alice.hears(880) > 0.9
    assert tone.share(baresip.heard(), alice.frequency)[0] > 0.9
    alice.tell("hangup")
    baresip.wait_event("CALL_CLOSED", 5)
    alice.wait_event("ended", by="us")


def test_the_embedded_agent():
    """examples/embedded_agent.cc, built beside the program."""
    domain = TryDomain()
    bob = domain.phone("bob", 102, "--answer", "0")
    program = domain.world.host("alice", 101).start(
        "embedded", str(causeway.program().parent / "embedded_agent"), "sip:alice@example.test",
        f"udp:{domain.host.address}:5060", "bob", str(bob.tone))
    assert program.process.wait(10) == 0, program.output()
    assert "we hear something" in program.output()
    assert bob.wait_event("ended")["by"] == "them"
    assert bob.hears(bob.frequency) > 0.9


# ---- members of the overlay

class Members:
    """A small p2psip.org, and user agents with credentials of their own: alice, bob."""

    def __init__(self, outside: bool = False):
        self.domain = Domain(outside=outside, members={"peer-a": (30, "registrar"), "peer-d": (33, "registrar,proxy,relay"),
                                      "peer-e": (34, "registrar,proxy,relay")}, users={"dora": "pw-dora"})
        wait_for(lambda: all(peer.joined() for peer in self.domain.overlay), 10, "the peers to find each other")

    def user(self, name: str, number: int, *arguments: str) -> UserAgent:
        folder = STATE / f"authority-{DOMAIN}"
        known = ",".join(self.domain.overlay[peer].overlay_address for peer in ("peer-d", "peer-e"))
        causeway.call("authority", "issue", name, "--users", name, "--bootstrap", known, "--dir", folder)
        ua = UserAgent(self.domain.world.host(name, number), name, 440 + 10 * number, "--bundle",
                       str(folder / f"{name}.bundle"), *arguments)
        ua.wait_event("registered", 10, address=f"sip:{name}@{DOMAIN}")
        return ua


def test_members_call_each_other_over_public_peers():
    members = Members()
    bob = members.user("bob", 102, "--answer", "0")
    alice = members.user("alice", 101, "--call", "bob", "--for", "3")
    assert len(alice.wait_event("relays found")["relays"]) == 2
    assert bob.wait_event("incoming")["from"] == f"sip:alice@{DOMAIN}"
    alice.wait_event("first audio", 8)
    assert alice.end(10) == 0
    assert bob.wait_event("ended")["by"] == "them"
    assert alice.hears(bob.frequency) > 0.9 and bob.hears(alice.frequency) > 0.9


def test_members_talk_over_relays_only():
    members = Members()
    bob = members.user("bob", 102, "--answer", "0", "--relay-only")
    alice = members.user("alice", 101, "--call", "bob", "--for", "3", "--relay-only")
    assert alice.wait_event("media", 8)["pair"].startswith("relay ")
    assert alice.end(10) == 0
    assert alice.hears(bob.frequency) > 0.9 and bob.hears(alice.frequency) > 0.9


@pytest.mark.parametrize("caller", ["member", "phone"])
def test_a_member_and_a_phone_of_a_peer(caller):
    members = Members()
    dora = UserAgent.phone(members.domain.world.host("dora", 103), f"dora@{DOMAIN}",
                           f"udp:{members.domain.address('peer-a')}:5060", 990, "--answer", "0", password="pw-dora")
    dora.wait_event("registered")
    alice = members.user("alice", 101, "--answer", "0")
    if caller == "member":
        alice.tell("call dora")
    else:
        dora.tell("call alice")
    both_hear(alice, dora)
    alice.tell("hangup")
    assert dora.wait_event("ended")["by"] == "them"


def test_a_member_calls_as_its_public_address():
    """The draft, 4.2; also when the peer that knew of the address has gone."""
    members = Members(outside=True)
    password, address = STATE / "public.password", "sip:carol@example.com"
    password.write_text("pw-carol\n")
    password.chmod(0o600)
    bob = members.user("bob", 102, "--answer", "0")
    alice = members.user("alice", 101, "--register-public", address, "--public-password-file", str(password))
    wait_for(lambda: any(e["event"] == "registered" and e["address"] == address for e in alice.events()), 10,
             "the public address to be registered", came=alice.program.tail)

    def call() -> None:
        alice.tell(f"call bob as {address}")
        assert bob.wait_event("incoming", 8)["from"] == address
        both_hear(alice, bob)
        alice.tell("hangup")
        bob.wait_event("ended")

    call()
    members.domain.overlay["peer-d"].kill()
    time.sleep(3)  # a link that has ended is noticed at once; the address is registered again through the other one
    call()
    members.domain.overlay["peer-d"].start()


def test_the_public_peer_that_a_member_hangs_on_is_killed():
    members = Members()
    alice = members.user("alice", 101)
    bob = members.user("bob", 102, "--answer", "0")
    members.domain.overlay["peer-d"].kill()
    alice.tell("call bob")
    bob.wait_event("incoming", 8)
    both_hear(alice, bob)
    members.domain.overlay["peer-d"].start()
