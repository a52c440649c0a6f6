"""Relays in the overlay: found under turn:D, used with tokens, and not found any more when they should not be."""
import socket
import time

import pytest

from lab import causeway
from lab.ca import CertificateAuthority
from lab.scenes.relays import address_of
from lab.turn import Turn, attribute, relayed
from lab.world import STATE, Failure, World, wait_for

pytestmark = [pytest.mark.world, pytest.mark.causeway]

DOMAIN = "p2psip.org"
TURN = f"turn:{DOMAIN}"
MEMBERS = {"home": (30, "registrar,proxy"), "relay-1": (41, "relay"), "relay-2": (42, "relay")}
PAUSE = 10  # seconds between two versions of a relay's record
ALTERNATE_SERVER = 0x8023


class Scene:
    """A registrar, two relays with room for two allocations each, and a host with TURN clients."""

    def __init__(self, members=None, **settings):
        self.world = World()
        self.client = self.world.host("client", 20)
        values = {"relay.max_allocations": 2, "relay.user_allocations": 2}
        values.update({name.replace("__", "."): value for name, value in settings.items()})
        self.overlay = causeway.build(self.world, DOMAIN, members or MEMBERS, {"alice": "pw-alice"},
                                      CertificateAuthority(STATE / "ca"), values)
        self.overlay.wait_ready()
        self.home = self.overlay["home"]
        self.address = {name: self.world.hosts[name].address for name in members or MEMBERS}

    def offered(self, at="home") -> dict:
        """The relays that this peer finds, by name."""
        return {self.world.name_of(address_of(relay)): relay for relay in self.overlay[at].relays()}

    def wait_offered(self, *names, seconds=15.0, at="home") -> dict:
        return wait_for(lambda: (found := self.offered(at)).keys() == set(names) and (found or True), seconds,
                        f"{', '.join(names) or 'none'} to be offered", came=lambda: ", ".join(self.offered(at)))

    def turn(self, at: str, token: dict, of: str = "", port: int = 3478) -> Turn:
        """A client at this relay, with the password for it, or for another."""
        relay = next(one for one in token["relays"] if address_of(one) == self.address[of or at])
        return Turn(self.client, self.address[at], token["username"], relay["password"], port)


def test_relays_are_found_with_what_clients_need_to_know():
    scene = Scene()
    found = scene.wait_offered("relay-1", "relay-2")
    address = scene.address["relay-1"]
    assert found["relay-1"]["uris"] == [f"turn:{address}:3478?transport=udp", f"turn:{address}:3478?transport=tcp",
                                        f"turns:{address}:5349?transport=tcp"]
    assert found["relay-1"]["capacity"] == 2 and found["relay-1"]["load"] == 0
    assert 0 <= found["relay-1"]["round_trip_ms"] < 200
    scene.wait_offered("relay-1", "relay-2", at="relay-1")  # it finds itself, too
    said = causeway.call("lookup", TURN, "--socket", scene.home.socket)
    assert f"relay {found['relay-1']['peer']}: round trip" in said and "load 0 of 2" in said
    assert f"    turns:{address}:5349?transport=tcp" in said and "service record" in said and "passes the one rule" in said


def test_a_token_opens_the_relay_that_it_is_for_and_no_other():
    scene = Scene()
    scene.wait_offered("relay-1", "relay-2")
    token = scene.home.relay_token("alice")
    assert token["uri"] == f"sip:alice@{DOMAIN}" and token["realm"] == DOMAIN and len(token["username"]) < 509
    assert 86000 < token["expiry"] - time.time() < 86401
    code, found = scene.turn("relay-1", token).allocate()
    assert code == 0 and relayed(found)[0] == scene.address["relay-1"]
    assert scene.turn("relay-2", token, of="relay-1").allocate()[0] == 401
    said = causeway.call("relay-token", "--user", f"sip:alice@{DOMAIN}", "--relays", 1, "--hours", 1, "--socket",
                         scene.home.socket)
    lines = dict(line.split(None, 1) for line in said.splitlines() if line and not line.startswith(" "))
    assert lines["for"].startswith(f"sip:alice@{DOMAIN}, until ") and lines["realm"] == DOMAIN
    assert said.count("password ") == 1 and said.count("?transport=") == 3
    uri = next(line.strip() for line in said.splitlines() if line.endswith("?transport=udp"))
    assert Turn(scene.client, uri.split(":")[1], lines["user"].split()[1], lines["password"]).allocate()[0] == 0


def test_the_load_is_told_and_a_full_relay_withdraws_and_sends_clients_to_the_other():
    scene = Scene()
    scene.wait_offered("relay-1", "relay-2")
    token = scene.home.relay_token("alice")
    clients = [scene.turn("relay-1", token)]
    assert clients[0].allocate()[0] == 0
    wait_for(lambda: scene.offered().get("relay-1", {}).get("load") == 1, PAUSE + 5, "relay-1 to tell its load")
    clients.append(scene.turn("relay-1", token))
    assert clients[1].allocate()[0] == 0
    scene.wait_offered("relay-2", seconds=5)
    record = next(r for r in scene.home.lookup(TURN)["records"] if r["tombstone"])
    assert record["valid"]

    def sent_on():
        code, found = scene.turn("relay-1", token).allocate()
        return found.get(ALTERNATE_SERVER) if code == 300 else None
    other = wait_for(sent_on, 5, "relay-1 to answer 300")
    assert other[1] == 1 and int.from_bytes(other[2:4], "big") == 3478
    assert socket.inet_ntoa(other[4:8]) == scene.address["relay-2"]
    assert clients[1].ask(4, attribute(0xD, b"\0\0\0\0"))[0] == 0  # Refresh with lifetime 0: it goes
    found = scene.wait_offered("relay-1", "relay-2", seconds=PAUSE + 5)
    assert found["relay-1"]["load"] == 1


def test_a_relay_that_drains_keeps_its_clients_and_gets_no_new_ones():
    scene = Scene()
    scene.wait_offered("relay-1", "relay-2")
    token = scene.home.relay_token("alice")
    there = scene.turn("relay-1", token)
    assert there.allocate()[0] == 0
    said = causeway.call("drain", "--socket", scene.overlay["relay-1"].socket)
    assert "takes no new allocations" in said
    assert "causeway drain" in causeway.call("status", "--socket", scene.overlay["relay-1"].socket)
    scene.wait_offered("relay-2", seconds=5)
    assert scene.turn("relay-1", token).allocate()[0] in (300, 508)
    assert there.ask(4)[0] == 0  # Refresh
    causeway.call("drain", "--off", "--socket", scene.overlay["relay-1"].socket)
    scene.wait_offered("relay-1", "relay-2", seconds=PAUSE + 5)
    assert scene.turn("relay-1", token).allocate()[0] == 0


def test_stopped_relays_are_gone_at_once_killed_ones_within_ten_seconds_and_both_come_back():
    scene = Scene()
    scene.wait_offered("relay-1", "relay-2")
    scene.overlay["relay-1"].stop()
    scene.wait_offered("relay-2", seconds=2)
    assert any(record["tombstone"] for record in scene.home.lookup(TURN)["records"])
    scene.overlay["relay-2"].kill()
    scene.wait_offered(seconds=10)
    scene.overlay.restore()
    scene.wait_offered("relay-1", "relay-2")


def test_a_relay_whose_machine_falls_silent_is_gone_within_ten_seconds():
    scene = Scene()
    scene.wait_offered("relay-1", "relay-2")
    scene.world.hosts["relay-2"].plug(False)
    scene.wait_offered("relay-1", seconds=10)


def test_what_goes_wrong_says_what_to_do():
    scene = Scene(members={"home": (30, "registrar,proxy"), "relay-1": (41, "relay")})
    scene.wait_offered("relay-1")

    def fails(*arguments, at="home") -> str:
        with pytest.raises(Failure) as failure:
            causeway.call(*arguments, "--socket", scene.overlay[at].socket)
        return str(failure.value)
    assert f"a member of {DOMAIN} only" in fails("relay-token", "--user", "sip:alice@elsewhere.org")
    assert f"a user such as sip:alice@{DOMAIN}" in fails("relay-token", "--user", TURN)
    assert "does not cover it" in fails("relay-token", "--user", "alice", at="relay-1")
    assert "needs the role relay" in fails("drain")
    assert f"expected {TURN}" in fails("lookup", "turn:elsewhere.org")
    scene.overlay["relay-1"].kill()
    time.sleep(6)
    assert f"no relay of {DOMAIN} answers" in fails("relay-token", "--user", "alice")
