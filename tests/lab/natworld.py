"""p2psip.org with relays, and user agents that are its members wherever a test puts them."""
from typing import Mapping, Optional, Sequence

from lab import causeway, stun
from lab.ca import CertificateAuthority
from lab.capture import Capture
from lab.dns import NameServer, Target, Zone
from lab.nat import PORT_PRESERVING, SYMMETRIC, Nat
from lab.ua import UserAgent
from lab.world import STATE, Failure, Host, World, wait_for

import phones

DOMAIN = "p2psip.org"
PEERS = {"peer-a": (30, "registrar,proxy"), "peer-b": (31, "registrar,proxy"), "peer-c": (32, "registrar,proxy")}
RELAYS = {"relay-1": (41, "relay"), "relay-2": (42, "relay")}


class Places:
    """Hosts, public and behind NATs of their own, and what went between them."""

    def __init__(self):
        self.world = World()
        self.capture = Capture()
        self.ca = CertificateAuthority(STATE / "ca")
        self.nats: dict = {}  # by the name of the host behind it
        self._number = 60
        self._tone = 400

    def host(self, name: str, kind: str) -> Host:
        """A host of its own: public, preserving, symmetric (the NATs), or blocked (symmetric, and no UDP)."""
        self._number += 1
        if kind == "public":
            return self.world.host(name, self._number)
        ports = PORT_PRESERVING if kind == "preserving" else SYMMETRIC
        self.nats[name] = Nat(self.world, f"nat-{name}", self._number, ports, udp=kind != "blocked")
        return self.nats[name].host(name)

    def neighbour(self, name: str, of: str) -> Host:
        """One more behind the NAT of that host."""
        self.nats[name] = self.nats[of]
        return self.nats[of].host(name)

    def address(self, name: str) -> str:
        """Where it seems to be, seen from the switch."""
        return self.nats[name].address if name in self.nats else self.world.hosts[name].address

    def hops(self, since: float) -> set:
        """Between whom media went since then: sets of two names, of which one may be a relay."""
        hosts = {name: host for name, host in self.world.hosts.items() if not name.startswith("nat-")}
        names = {address: name for name, host in hosts.items() for address in (self.address(name), host.address6)}
        return {frozenset((names.get(flow.source, flow.source), names.get(flow.target, flow.target)))
                for flow in stun.media(self.capture.since(since))}

    def next_tone(self) -> int:
        """For one more who talks, another than all others have."""
        self._tone += 70
        return self._tone


class NatWorld(Places):
    """Everything is up, and the relays can be found, when the constructor returns."""

    domain = DOMAIN

    def __init__(self, relay_transports: Sequence[str] = ("udp", "tcp", "tls"), users: Optional[Mapping] = None,
                 anchored: Sequence[str] = ()):
        """`users`: those who have an account, for a phone, with their passwords; `anchored`: phones that know no ICE."""
        super().__init__()
        members = {**PEERS, **RELAYS}
        at = {name: self.world.host(name, number).address for name, (number, _) in members.items()}
        self.dns = NameServer(self.world, [Zone(DOMAIN).sip([Target(at[name]) for name in PEERS])
                                           .turn([Target(at[name]) for name in RELAYS], relay_transports)])
        self.overlay = causeway.build(self.world, DOMAIN, members, users or {}, self.ca,
                                      relay_transports=relay_transports, anchored=anchored)
        self.dns.wait_ready()
        self.overlay.wait_ready()
        self.capture.wait_ready()
        peer = self.overlay["peer-a"]
        if "udp" in relay_transports:
            wait_for(lambda: len(peer.relays()) == len(RELAYS), 15, "the relays to be found", came=lambda: f"{peer.relays()}")

    def user_agent(self, host: Host, *arguments: str, peers: Sequence[str] = ("peer-a", "peer-b")) -> UserAgent:
        """A member, registered; it answers calls. The user is called as the host, and has a tone of its own."""
        bundle = self.overlay.authority.issue_user(host.name, [self.overlay[peer].overlay_address for peer in peers])
        ua = UserAgent.member(host, host.name, bundle, self.next_tone(), "--answer", "0", "--ca", str(self.ca.certificate),
                              *arguments)
        ua.wait_registered()
        return ua

    def phone(self, program: str, host: Host, **more):
        """One that has an account, registered at peer-a as the user that the host is called (phones.make)."""
        return phones.make(self.world, program, host, DOMAIN, self.address("peer-a"), self.ca, self.next_tone(), **more)

    def relay_of(self, ua: UserAgent) -> str:
        """The relay that carries its media now."""
        pair = ua.latest("media")["pair"]
        name = self.world.name_of(pair.split()[1].rpartition(":")[0])
        if name not in RELAYS:
            raise Failure(f"expected media of {ua.name} over a relay; its path is {pair}")
        return name


def connect(caller: UserAgent, callee: UserAgent, seconds: float = 15) -> None:
    """A call, until both hear something."""
    for ua in (caller, callee):
        ua.clear_recordings()
        ua.forget_events()
    caller.dial(f"sip:{callee.name}@{DOMAIN}")
    for ua in (caller, callee):
        ua.wait_event("first audio", seconds)


def hang_up(caller: UserAgent, callee: UserAgent) -> None:
    caller.hang_up()
    for ua in (caller, callee):
        ua.wait_closed()


def expect_tones(one: UserAgent, other: UserAgent, least: float = 0.9) -> None:
    for listener, speaker in ((one, other), (other, one)):
        share = listener.hears(speaker.frequency)
        if share < least:
            raise Failure(f"expected {listener.name} to hear {speaker.frequency} Hz of {speaker.name}; it was {share:.2f} "
                          f"of what came in {listener.heard_seconds():.1f} s")
