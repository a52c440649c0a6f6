"""Causeway in the world: an authority that makes the domain, and peers on hosts of their own."""
import json
import os
import subprocess
from pathlib import Path
from typing import Container, Mapping, Optional, Sequence

from lab import sip
from lab.ca import CertificateAuthority
from lab.capture import Signal
from lab.world import NAME_SERVER, STATE, Failure, Program, World

ROOT = Path(__file__).resolve().parent.parent
OVERLAY_PORT = 7400
RELAY_PORT, RELAY_TLS_PORT = 3478, 5349
# The lab's addresses are for documentation, which relays refuse unless told otherwise.
LAB_RANGES = ["198.51.100.0/24", "2001:db8:1::/64"]
CLOCK_STEP = 0.002  # seconds that a peer's time stamps may lie behind the wire's
LEAST_SIP = 100  # bytes of a TLS segment that may carry a SIP message


def program() -> Path:
    """The program under test: $CAUSEWAY, or the release build."""
    path = Path(os.environ.get("CAUSEWAY", ROOT / "build/release/causeway"))
    if not os.access(path, os.X_OK):
        raise Failure(f"expected the program at {path}; nothing to run is there: build it (./run does), "
                      "or name another with CAUSEWAY=PATH")
    return path.resolve()


def call(*arguments: str, seconds: float = 10) -> str:
    """Runs a subcommand and returns what it printed; Failure with its own words if it fails."""
    done = subprocess.run([program(), *map(str, arguments)], capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        raise Failure(f"expected `causeway {' '.join(map(str, arguments))}` to succeed; it ended with "
                      f"{done.returncode} and said: {(done.stderr + done.stdout).strip()}")
    return done.stdout


class Authority:
    """The domain's authority: a folder with its key, its accounts and the bundles it issued."""

    def __init__(self, domain: str, folder: Path):
        self.domain = domain
        self.folder = folder
        call("authority", "init", domain, "--only", "--dir", folder)

    @property
    def accounts(self) -> Path:
        return self.folder / "accounts.toml"

    def add_user(self, name: str, password: str, media: str = "direct") -> None:
        call("authority", "add-user", name, "--password", password, "--media", media, "--dir", self.folder)

    def issue(self, name: str, roles: str, bootstrap: Sequence[str]) -> Path:
        known = ["--bootstrap", ",".join(bootstrap)] if bootstrap else []
        call("authority", "issue", name, "--roles", roles, *known, "--dir", self.folder)
        return self.folder / f"{name}.bundle"

    def issue_user(self, name: str, bootstrap: Sequence[str]) -> Path:
        """A user's own credential, for a user agent that is a member of the overlay."""
        call("authority", "issue", name, "--users", name, "--bootstrap", ",".join(bootstrap), "--dir", self.folder)
        return self.folder / f"{name}.bundle"


class Peer:
    """One peer. Its configuration is written once; start(), kill() and start() again as often as needed."""

    def __init__(self, world: World, name: str, number: int, domain: str, bundle: Path, accounts: Path,
                 settings: Optional[Mapping] = None):
        self.host = world.host(name, number)
        self.name = name
        self.domain = domain
        self.bundle = bundle
        self.folder = STATE / name
        (self.folder / "state").mkdir(parents=True)
        self.socket = self.folder / "control"
        self.trace_file = self.folder / "trace.jsonl"
        address = self.host.address
        values = {
            "sip.listen": [f"udp:{address}:5060", f"tcp:{address}:5060"],
            "overlay.listen": f"{address}:{OVERLAY_PORT}",
            "overlay.join_jitter": "100ms",
            "registrar.accounts": str(accounts),
            "peer.state": str(self.folder / "state"),
            "peer.control": str(self.socket),
            "dns.servers": [NAME_SERVER],
            "dns.max_ttl": "2s",
            "log.level": "debug",
            "trace.file": str(self.trace_file),
        }
        values.update(settings or {})
        self.configuration = self.folder / "peer.toml"
        self.configuration.write_text(_toml(values))
        self.program: Optional[Program] = None

    @property
    def overlay_address(self) -> str:
        return f"{self.host.address}:{OVERLAY_PORT}"

    def start(self) -> None:
        self.program = self.host.start(self.name, str(program()), "peer", "--bundle", str(self.bundle),
                                       "-c", str(self.configuration), cwd=self.folder)

    def wait_ready(self, seconds: float = 10) -> None:
        """Until it answers OPTIONS for the domain."""
        sip.wait_answering(self.program, self.host, self.domain, seconds=seconds)

    def alive(self) -> bool:
        return self.program is not None and self.program.alive()

    def stop(self) -> None:
        self.program.stop()

    def kill(self) -> None:
        """kill -9."""
        self.program.kill()

    def status(self) -> dict:
        return json.loads(call("status", "--socket", self.socket, "--json"))

    def joined(self) -> bool:
        try:
            return self.status()["overlay"]["connected"]
        except Failure:
            return False

    def lookup(self, uri: str) -> dict:
        """What the overlay holds under the URI, as this peer sees it."""
        return json.loads(call("lookup", uri, "--socket", self.socket, "--json"))

    def relays(self) -> list:
        """The relays that answer, as this peer finds them now: the nearest first."""
        return self.lookup(f"turn:{self.domain}")["relays"]

    def relay_token(self, user: str, relays: int = 3) -> dict:
        """User name, passwords and addresses for a TURN client."""
        return json.loads(call("relay-token", "--user", user, "--relays", relays, "--socket", self.socket, "--json"))

    def sent(self, since: float) -> list:
        """SIP messages that this peer sent inside its TLS links since then (epoch seconds), by its own trace."""
        return [self._message(entry) for entry in self._traced(since) if entry["dir"] == "out" and "overlay" not in entry]

    def received(self, since: float, peers: set) -> list:
        """SIP messages that came inside TLS links from others than these peers: from user agents, which have no trace."""
        return [self._message(entry) for entry in self._traced(since) if entry["dir"] == "in" and "overlay" not in entry
                and entry["peer_address"].rpartition(":")[0] not in peers]

    def asked(self, since: float) -> list:
        """What members that are no nodes of the overlay asked it through this peer, and its answers."""
        found, waiting = [], {}
        for entry in self._traced(since):
            key = (entry["call_id"], entry["cseq"])
            ends = [entry["peer_address"].rpartition(":")[0], self.host.address]
            if entry.get("overlay") == "get" and entry["dir"] == "in":
                question = waiting[key] = _question(entry["uri"])
                found.append(Signal(entry["t"], *ends, question, entry["uri"], inside_tls=True))
            elif entry.get("overlay") == "answer" and entry["dir"] == "out" and key in waiting:
                question = waiting.pop(key)
                found.append(Signal(entry["t"], *ends[::-1], "Response", f"to {question}", question, True))
        return found

    def _traced(self, since: float) -> list:
        lines = self.trace_file.read_text(errors="replace").splitlines() if self.trace_file.exists() else []
        found = []
        for line in lines:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a peer that was killed
            if entry["t"] >= since - CLOCK_STEP:
                found.append(entry)
        return found

    def _message(self, entry: dict) -> sip.Message:
        ends = [self.overlay_address, entry["peer_address"]]
        source, target = ends if entry["dir"] == "out" else ends[::-1]
        return sip.Message(entry["t"], source, target, "tls", entry["first"],
                           [("call-id", entry["call_id"]), ("cseq", str(entry["cseq"]))])


class Overlay:
    """The peers of one domain, by name."""

    def __init__(self, peers: Sequence[Peer], authority: Authority):
        self.authority = authority
        self.peers = {peer.name: peer for peer in peers}

    def __getitem__(self, name: str) -> Peer:
        return self.peers[name]

    def __iter__(self):
        return iter(self.peers.values())

    @property
    def addresses(self) -> set:
        return {peer.host.address for peer in self}

    def start(self) -> None:
        for peer in self:
            if not peer.alive():
                peer.start()

    def wait_ready(self) -> None:
        """Until all answer and have met at least one other peer."""
        for peer in self:
            peer.wait_ready()
        for peer in self if len(self.peers) > 1 else ():
            peer.program.wait_until(peer.joined, 15, f"{peer.name} to have joined the overlay")

    def restore(self) -> None:
        """Starts again what was killed."""
        self.start()
        self.wait_ready()

    def asked(self, since: float) -> list:
        """What user agents asked the overlay through their public peers, and the answers."""
        return sorted((signal for peer in self for signal in peer.asked(since)), key=lambda signal: signal.time)

    def trace(self, since: float, packets: Sequence = ()) -> list:
        """What travelled inside the TLS links of peers and user agents, each message once, in the order of time.

        The peers' clocks tick in milliseconds: `packets`, the capture, says when exactly each one left.
        """
        peers = self.addresses
        sent = sorted((message for peer in self for message in peer.sent(since) + peer.received(since, peers)),
                      key=lambda message: message.time)
        left = [packet for packet in packets if packet.protocol == "tcp" and packet.payload
                and OVERLAY_PORT in (packet.source_port, packet.target_port)]
        for message in sent:
            packet = _packet_of(message, left, own=message.source.rpartition(":")[0] in peers)
            if packet:
                message.time = packet.time
                left.remove(packet)
        return sorted(sent, key=lambda message: message.time)


def _question(uri: str) -> str:
    """What the draft's figures call a question for this URI."""
    scheme, _, rest = uri.partition(":")
    return "Get" if "@" in rest else {"turn": "Get Relay", "sip": "Get Proxy"}.get(scheme, "Get")


def _packet_of(message: sip.Message, packets: Sequence, own: bool):
    """The packet that a message in a trace went in: just after the peer noted it if it is its own, else just before."""
    way = (message.source.rpartition(":")[0], message.target.rpartition(":")[0])
    first, last = (-CLOCK_STEP, 0.1) if own else (-0.02, CLOCK_STEP)
    fitting = [packet for packet in packets if (packet.source, packet.target) == way and len(packet.payload) > LEAST_SIP
               and message.time + first <= packet.time <= message.time + last]
    return fitting[0 if own else -1] if fitting else None


def build(world: World, domain: str, members: Mapping[str, tuple], users: Mapping[str, str],
          ca: CertificateAuthority, settings: Optional[Mapping] = None,
          relay_transports: Sequence[str] = ("udp", "tcp", "tls"), anchored: Container = ()) -> Overlay:
    """A domain: its authority, its users (name: password) and its peers (name: (number, roles)), started.

    `anchored`: users in whose phones' place their home peers find the way of media.
    Proxy peers and relays listen on TLS too. Everybody knows the proxy peers from the start, or the first peer.
    """
    authority = Authority(domain, STATE / f"authority-{domain}")
    for user, password in users.items():
        authority.add_user(user, password, "anchor" if user in anchored else "direct")
    hosts = {name: world.host(name, number) for name, (number, _) in members.items()}
    certificate, key = ca.issue(domain, [host.address for host in hosts.values()])
    known = [name for name, (_, roles) in members.items() if "proxy" in roles] or list(members)[:1]
    peers = []
    for name, (number, roles) in members.items():
        own = hosts[name].address
        values = {"sip.ca": str(ca.certificate)}
        if "proxy" in roles:
            values.update({"sip.certificate": str(certificate), "sip.key": str(key),
                           "sip.listen": [f"udp:{own}:5060", f"tcp:{own}:5060", f"tls:{own}:5061"]})
        if "relay" in roles:
            values.update({"relay.certificate": str(certificate), "relay.key": str(key), "relay.allow": LAB_RANGES,
                           "relay.listen": [f"{transport}:{own}:{RELAY_TLS_PORT if transport == 'tls' else RELAY_PORT}"
                                            for transport in relay_transports]})
        bundle = authority.issue(name, roles, [f"{hosts[other].address}:{OVERLAY_PORT}"
                                               for other in known if other != name])
        peers.append(Peer(world, name, number, domain, bundle, authority.accounts, {**values, **(settings or {})}))
    overlay = Overlay(peers, authority)
    overlay.start()
    return overlay


def _toml(values: Mapping) -> str:
    sections: dict = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, []).append(f"{name} = {json.dumps(value)}")
    return "\n".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())
