"""A whole site behind a symmetric NAT: its peer is reached through two public ones, and so are its phones."""
import time

import pytest

from lab import causeway
from lab.baresip import Baresip
from lab.ca import CertificateAuthority
from lab.dns import NameServer, Target, Zone
from lab.kamailio import Kamailio
from lab.nat import SYMMETRIC, Nat
from lab.world import STATE, Failure, World, wait_for

pytestmark = [pytest.mark.world, pytest.mark.causeway]

DOMAIN = "p2psip.org"
PUBLIC = {"pub-1": (31, "registrar,proxy"), "pub-2": (32, "registrar,proxy"), "pub-3": (33, "registrar,proxy"),
          "desk": (34, "registrar")}
DOOR = "pub-1"  # by DNS; it stays alive
USERS = {"alice": "pw-alice", "dave": "pw-dave"}


class Scene:
    """alice's phone and home peer behind the NAT; dave's phone at a public peer; carol's at example.com."""

    def __init__(self):
        self.world = World()
        self.ca = CertificateAuthority(STATE / "ca")
        self.site = Nat(self.world, "router", 60, SYMMETRIC)
        self.site.host("home")
        self.site.host("alice")
        for name, (number, _) in PUBLIC.items():
            self.world.host(name, number)
        # Phones choose by DNS where they send an ACK, and it is theirs to do without a server that is dead.
        targets = [Target(self.world.hosts[DOOR].address)]
        dns = NameServer(self.world, [Zone(DOMAIN).sip(targets, ("udp",)),
                                      Zone("example.com").sip([Target("198.51.100.10")], ("udp",))])
        self.com = Kamailio(self.world, "sip.example.com", 10, "example.com", {"carol": "pw-carol"}, self.ca)
        for server in (dns, self.com):
            server.wait_ready()
        self.overlay = causeway.build(self.world, DOMAIN, {**PUBLIC, "home": (0, "registrar")}, USERS, self.ca)
        self.overlay.wait_ready()
        self.home = self.overlay["home"]
        self.wait_vias(2)
        self.alice = self.phone("alice", 0, f"alice@{DOMAIN}", "pw-alice", 440, self.home.host.address)
        self.dave = self.phone("dave", 104, f"dave@{DOMAIN}", "pw-dave", 880, self.world.hosts["desk"].address)
        self.carol = self.phone("carol", 105, "carol@example.com", "pw-carol", 660, "198.51.100.10")

    def phone(self, name, number, address, password, tone, through) -> Baresip:
        phone = Baresip(self.world, name, number, address, password, tone, f"sip:{through}", self.ca.certificate)
        phone.connect()
        phone.wait_registered()
        return phone

    def vias(self) -> list:
        """The public peers that alice's record, or her peer's, names; by the hosts that they run on."""
        peer = self.home.status()["peer"]
        records = self.overlay["desk"].lookup(f"sip:_{peer}@{DOMAIN}")["records"]
        newest = max((r for r in records if not r.get("tombstone")), key=lambda r: r.get("sequence", 0), default={})
        return sorted(self.world.name_of(link.rpartition(":")[0]) for via in newest.get("via", [])
                      for link in via["links"])

    def wait_vias(self, count: int, seconds: float = 20.0) -> list:
        return wait_for(lambda: len(found := self.vias()) == count and found, seconds,
                        f"{count} public peers that lead to home", came=lambda: str(self.vias()))

    def call(self, caller: Baresip, callee: Baresip, seconds: float = 5) -> float:
        """Until both are talking; how long that took."""
        for phone in (caller, callee):
            phone.forget_events()
        start = time.monotonic()
        caller.dial(callee.address)
        caller.wait_event("CALL_ESTABLISHED", seconds)
        took = time.monotonic() - start
        callee.wait_event("CALL_ESTABLISHED", seconds)
        caller.hang_up()
        for phone in (caller, callee):
            phone.wait_event("CALL_CLOSED", 5)
        return took


def test_a_site_behind_a_nat_calls_and_is_called():
    scene = Scene()
    assert scene.home.status()["reached"] == "through 2 public peers"
    assert scene.home.status()["overlay"]["engine"] == "public peers"
    assert set(scene.vias()) < {"pub-1", "pub-2", "pub-3"}
    for peer in scene.overlay:
        if peer.name != "home":
            assert peer.status()["reached"] == "directly"
    for caller, callee in ((scene.alice, scene.dave), (scene.dave, scene.alice), (scene.alice, scene.carol),
                           (scene.carol, scene.alice)):
        scene.call(caller, callee)


def test_a_public_peer_is_killed_and_calls_go_on():
    scene = Scene()
    scene.call(scene.dave, scene.alice)
    # One that was killed: its connections end.
    killed = next(via for via in scene.vias() if via != DOOR)
    scene.overlay[killed].kill()
    assert scene.call(scene.dave, scene.alice) < 3
    assert scene.call(scene.alice, scene.dave) < 3
    found = scene.wait_vias(2)
    assert killed not in found
    # One whose cable is pulled: silence.
    silent = next(via for via in found if via != DOOR)
    scene.world.hosts[silent].plug(False)
    assert scene.call(scene.dave, scene.alice) < 3
    wait_for(lambda: silent not in scene.vias(), 10, f"home to give {silent} up", came=lambda: str(scene.vias()))
    assert scene.call(scene.dave, scene.alice) < 3
    scene.overlay[killed].start()
    scene.overlay[killed].wait_ready()
    assert killed in scene.wait_vias(2, 30)


def test_the_nat_forgets_everything():
    scene = Scene()
    scene.call(scene.dave, scene.alice)
    before = scene.home.status()["counters"]["overlay_links_up_total"]
    scene.site.forget()
    start = time.monotonic()
    wait_for(lambda: scene.home.status()["counters"]["overlay_links_up_total"] >= before + 2, 20,
             "home to have new links")

    def called(caller) -> bool:
        """Public peers do not hear that a link is dead: until they have asked, they may still use it."""
        try:
            return scene.call(caller, scene.alice) > 0
        except Failure:
            for phone in (caller, scene.alice):
                phone.end_calls()
            return False
    for caller in (scene.dave, scene.carol):
        wait_for(lambda: called(caller), 30 - (time.monotonic() - start), f"a call of {caller.name} to come in")
