"""Causeway in the world: an authority that makes the domain, and peers on hosts of their own."""
import json
import os
import subprocess
from pathlib import Path
from typing import Mapping, Optional, Sequence

from lab import sip
from lab.ca import CertificateAuthority
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

    def add_user(self, name: str, password: str) -> None:
        call("authority", "add-user", name, "--password", password, "--dir", self.folder)

    def issue(self, name: str, roles: str, bootstrap: Sequence[str]) -> Path:
        known = ["--bootstrap", ",".join(bootstrap)] if bootstrap else []
        call("authority", "issue", name, "--roles", roles, *known, "--dir", self.folder)
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
        found = []
        lines = self.trace_file.read_text(errors="replace").splitlines() if self.trace_file.exists() else []
        for line in lines:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a peer that was killed
            if entry["dir"] == "out" and entry["t"] >= since - CLOCK_STEP:
                found.append(sip.Message(entry["t"], self.overlay_address, entry["peer_address"], "tls",
                                         entry["first"],
                                         [("call-id", entry["call_id"]), ("cseq", str(entry["cseq"]))]))
        return found


class Overlay:
    """The peers of one domain, by name."""

    def __init__(self, peers: Sequence[Peer]):
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

    def trace(self, since: float, packets: Sequence = ()) -> list:
        """What travelled inside the TLS links, each message once, in the order of time.

        The peers' clocks tick in milliseconds: `packets`, the capture, says when exactly each one left.
        """
        sent = sorted((message for peer in self for message in peer.sent(since)), key=lambda message: message.time)
        left = [packet for packet in packets if packet.protocol == "tcp" and packet.payload
                and packet.source in self.addresses and packet.target in self.addresses]
        for message in sent:
            between = (message.source.rpartition(":")[0], message.target.rpartition(":")[0])
            packet = next((packet for packet in left if (packet.source, packet.target) == between
                           and message.time - CLOCK_STEP <= packet.time <= message.time + 0.1
                           and len(packet.payload) > LEAST_SIP), None)
            if packet:
                message.time = packet.time
                left.remove(packet)
        return sorted(sent, key=lambda message: message.time)


def build(world: World, domain: str, members: Mapping[str, tuple], users: Mapping[str, str],
          ca: CertificateAuthority, settings: Optional[Mapping] = None) -> Overlay:
    """A domain: its authority, its users (name: password) and its peers (name: (number, roles)), started.

    Proxy peers and relays listen on TLS too. Everybody knows the proxy peers from the start, or the first peer.
    """
    authority = Authority(domain, STATE / f"authority-{domain}")
    for user, password in users.items():
        authority.add_user(user, password)
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
                           "relay.listen": [f"udp:{own}:{RELAY_PORT}", f"tcp:{own}:{RELAY_PORT}",
                                            f"tls:{own}:{RELAY_TLS_PORT}"]})
        bundle = authority.issue(name, roles, [f"{hosts[other].address}:{OVERLAY_PORT}"
                                               for other in known if other != name])
        peers.append(Peer(world, name, number, domain, bundle, authority.accounts, {**values, **(settings or {})}))
    overlay = Overlay(peers)
    overlay.start()
    return overlay


def _toml(values: Mapping) -> str:
    sections: dict = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, []).append(f"{name} = {json.dumps(value)}")
    return "\n".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())
