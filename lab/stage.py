"""The cast of the demo: five peers of p2psip.org and three relays, two conventional domains, three phones, and a
capture."""
from typing import Sequence

from lab import capture, causeway
from lab.baresip import Baresip
from lab.ca import CertificateAuthority
from lab.dns import NameServer, Target, Zone
from lab.kamailio import Kamailio
from lab.world import NAME_SERVER, STATE, World

DOMAIN = "p2psip.org"
# name: (last byte of the address, roles)
PEERS = {
    "peer-a": (30, "registrar"),
    "peer-b": (31, "registrar"),
    "peer-c": (32, "registrar"),
    "peer-d": (33, "registrar,proxy"),
    "peer-e": (34, "registrar,proxy"),
}
# Peers too; their only role is to relay.
RELAYS = {f"relay-{number}": (40 + number, "relay") for number in (1, 2, 3)}
PASSWORDS = {name: f"pw-{name}" for name in ("alice", "bob", "carol")}
# Alice's phone keeps a connection to her peer. Her peer knows the phone by it, and lets it register elsewhere
# without a password; over UDP it would ask, and baresip cannot answer two who ask (407, then 401).
TRANSPORTS = {"alice": "tcp"}
ALICE_TONE, OTHER_TONE = 440, 880  # Hz


def label(name: str) -> str:
    """How a host is called in diagrams and reports: peer-a is "peer A", relay-1 "relay 1"."""
    return f"peer {name[5:].upper()}" if name.startswith("peer-") else name.replace("relay-", "relay ")


class Stage:
    """Everything is up, joined and registered when the constructor returns.

    `relayed_seconds`: for how long media are relayed, beside the other scenes.
    """

    def __init__(self, relayed_seconds: float = 60):
        self.relayed_seconds = relayed_seconds
        self.begun: dict = {}  # what runs already, by the scene's ID
        self.world = World()
        self._make_hosts()
        self.capture = capture.Capture()
        self.ca = CertificateAuthority(STATE / "ca")
        self.dns = self._start_dns()
        self.example_com = Kamailio(self.world, "sip.example.com", 10, "example.com",
                                    {"carol": PASSWORDS["carol"]}, self.ca)
        self.example_org = Kamailio(self.world, "sip.example.org", 20, "example.org",
                                    {"alice": PASSWORDS["alice"]}, self.ca)
        self.overlay = causeway.build(self.world, DOMAIN, {**PEERS, **RELAYS},
                                      {user: PASSWORDS[user] for user in ("alice", "bob")}, self.ca)
        for server in (self.dns, self.example_com, self.example_org, self.overlay, self.capture):
            server.wait_ready()
        self.alice = self._phone("alice", 101, DOMAIN, ALICE_TONE, "peer-a")
        self.bob = self._phone("bob", 102, DOMAIN, OTHER_TONE, "peer-b")
        self.carol = self._phone("carol", 103, "example.com", OTHER_TONE, "sip.example.com")
        for phone in self.phones:
            phone.connect()
        for phone in self.phones:
            phone.wait_registered()

    @property
    def phones(self) -> list:
        return [self.alice, self.bob, self.carol]

    def account(self, address: str, through: str) -> str:
        """A line for baresip: the address, proved with its user's password, through that host's server."""
        user = address.partition("@")[0]
        return Baresip.account_line(address, PASSWORDS[user], self._server(user, through))

    def _server(self, user: str, name: str) -> str:
        """The URI by which that user's phone reaches its server."""
        return f"sip:{self.world.hosts[name].address};transport={TRANSPORTS.get(user, 'udp')}"

    def columns(self, names: Sequence[str]) -> list:
        """For a diagram: what is drawn from left to right."""
        return [(label(name), [self.world.hosts[name].address]) for name in names]

    def restore(self) -> None:
        """After a scene, whatever happened in it: no calls, all peers up, alice and bob where they belong."""
        for phone in self.phones:
            phone.end_calls()
        self.overlay.restore()
        for phone in (self.alice, self.bob):
            phone.reset_accounts()

    def _make_hosts(self) -> None:
        for name, number in (("dns", int(NAME_SERVER.rpartition(".")[2])), ("sip.example.com", 10),
                             ("sip.example.org", 20), ("alice", 101), ("bob", 102), ("carol", 103)):
            self.world.host(name, number)
        for name, (number, _) in {**PEERS, **RELAYS}.items():
            self.world.host(name, number)

    def _start_dns(self) -> NameServer:
        hosts = self.world.hosts
        # The second proxy peer is for when the first one does not answer.
        proxies = [Target(hosts["peer-d"].address, priority=10), Target(hosts["peer-e"].address, priority=20)]
        return NameServer(self.world, [
            Zone("example.com").sip([Target(hosts["sip.example.com"].address)]),
            Zone("example.org").sip([Target(hosts["sip.example.org"].address)]),
            Zone(DOMAIN).sip(proxies),
        ])

    def _phone(self, name: str, number: int, domain: str, frequency: int, through: str) -> Baresip:
        return Baresip(self.world, name, number, f"{name}@{domain}", PASSWORDS[name], frequency,
                       self._server(name, through), self.ca.certificate)
