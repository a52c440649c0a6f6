"""Causeway in the world: an authority that makes the domain, and peers on hosts of their own."""
import json
import os
import subprocess
from pathlib import Path
from typing import Mapping, Optional, Sequence

from lab import sip
from lab.world import NAME_SERVER, STATE, Failure, Program, World, wait_for

ROOT = Path(__file__).resolve().parent.parent
OVERLAY_PORT = 7400


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
        call("authority", "issue", name, "--roles", roles, "--bootstrap", ",".join(bootstrap), "--dir", self.folder)
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
            "accounts.file": str(accounts),
            "state.dir": str(self.folder / "state"),
            "control.socket": str(self.socket),
            "dns.servers": [NAME_SERVER],
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

    def lookup(self, uri: str):
        """What the overlay holds under the URI, as this peer sees it."""
        return json.loads(call("lookup", uri, "--socket", self.socket, "--json"))

    def trace(self, since: float) -> list:
        """SIP messages that this peer sent and received inside its TLS links since then (epoch seconds).

        A message's source or target is this peer's address and what the trace says of the other one.
        """
        found = []
        if not self.trace_file.exists():
            return found
        for line in self.trace_file.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a peer that was killed
            if entry["t"] < since:
                continue
            mine, other = self.overlay_address, entry["peer_address"]
            source, target = (mine, other) if entry["dir"] == "out" else (other, mine)
            found.append(sip.Message(entry["t"], source, target, "tls", entry["first"],
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
        for peer in self:
            peer.wait_ready()

    def restore(self) -> None:
        """Starts again what was killed."""
        dead = [peer for peer in self if not peer.alive()]
        for peer in dead:
            peer.start()
        for peer in dead:
            peer.wait_ready()

    def trace(self, since: float) -> list:
        """What travelled inside the TLS links, each message once: as its sender saw it."""
        sent = [message for peer in self for message in peer.trace(since)
                if message.source == peer.overlay_address]
        return sorted(sent, key=lambda message: message.time)


def _toml(values: Mapping) -> str:
    sections: dict = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, []).append(f"{name} = {json.dumps(value)}")
    return "\n".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())


def wait_joined(peers: Sequence[Peer], seconds: float = 10) -> None:
    """Until every peer has met at least one other in the overlay."""
    for peer in peers:
        wait_for(lambda: _met(peer), seconds, f"{peer.name} to have joined the overlay",
                 came=lambda: peer.program.tail())


def _met(peer: Peer) -> bool:
    try:
        return peer.status()["overlay"]["connected"]
    except Failure:
        return False
