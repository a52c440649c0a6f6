"""The DNS of the world: BIND with whatever zones the scene or test writes."""
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Sequence

from lab.world import STATE, Host, Program, World, wait_for

# transport: (NAPTR service, SRV prefix, port)
SERVICES = {
    "udp": ("SIP+D2U", "_sip._udp", 5060),
    "tcp": ("SIP+D2T", "_sip._tcp", 5060),
    "tls": ("SIPS+D2T", "_sips._tcp", 5061),
}
# The same of relays (RFC 5928): what a TURN client asks for who knows the domain only, turn:D.
RELAYS = {
    "udp": ("RELAY:turn.udp", "_turn._udp", 3478),
    "tcp": ("RELAY:turn.tcp", "_turn._tcp", 3478),
    "tls": ("RELAY:turn.tls", "_turns._tcp", 5349),
}
TTL = 2  # seconds: changes are followed quickly


@dataclass
class Target:
    """One server of a domain, as its SRV records name it."""
    address: str
    priority: int = 10
    weight: int = 10
    port: int = 0  # 0: the transport's own


@dataclass
class Zone:
    """A zone file in the making: SOA and NS stand, records are added line by line."""
    origin: str
    lines: list = field(default_factory=list)

    def add(self, *lines: str) -> "Zone":
        self.lines += lines
        return self

    def sip(self, targets: Sequence[Target], transports: Sequence[str] = ("udp", "tcp", "tls")) -> "Zone":
        """NAPTR, SRV and A records of a SIP domain, which prefers its transports in the order given.

        The first target is called sip1.ORIGIN, the next sip2.ORIGIN and so on.
        """
        return self._servers("sip", SERVICES, targets, transports)

    def turn(self, targets: Sequence[Target], transports: Sequence[str] = ("udp", "tcp", "tls")) -> "Zone":
        """The same for the domain's relays, called turn1.ORIGIN and so on."""
        return self._servers("turn", RELAYS, targets, transports)

    def _servers(self, name: str, services: dict, targets: Sequence[Target], transports: Sequence[str]) -> "Zone":
        for order, transport in enumerate(transports, 1):
            service, prefix, port = services[transport]
            self.add(f'@ NAPTR {order}0 10 "s" "{service}" "" {prefix}.{self.origin}.')
            for number, target in enumerate(targets, 1):
                self.add(f"{prefix} SRV {target.priority} {target.weight} {target.port or port} {name}{number}")
        for number, target in enumerate(targets, 1):
            self.add(f"{name}{number} A {target.address}")
        return self

    def text(self, serial: int) -> str:
        head = [f"$TTL {TTL}", f"@ SOA ns.{self.origin}. root.{self.origin}. {serial} 60 60 600 1",
                f"@ NS ns.{self.origin}."]
        return "\n".join(head + self.lines) + "\n"


class NameServer:
    """BIND on a host of its own, at the address that everybody's resolv.conf names."""

    def __init__(self, world: World, zones: Sequence[Zone]):
        self.host: Host = world.host("dns", 53)
        self.folder: Path = STATE / "dns"
        self.folder.mkdir()
        self.serial = 0
        self.zones = {zone.origin: zone for zone in zones}
        for zone in zones:
            self._write(zone)
        self._write_configuration()
        self.program: Program = self.host.start("dns", "named", "-g", "-4", "-n", "1", "-c",
                                                str(self.folder / "named.conf"))

    def wait_ready(self) -> None:
        self.program.wait_until(lambda: "running" in self.program.output(), 10, "named to be running")

    def replace(self, zone: Zone) -> None:
        """A new version of a zone; returns when it is served."""
        self.zones[zone.origin] = zone
        self._write(zone)
        self.program.process.send_signal(1)
        loaded = f"zone {zone.origin}/IN: loaded serial {self.serial}"
        self.program.wait_until(lambda: loaded in self.program.output(), 5, f"named to say '{loaded}'")

    def queries(self, name: str) -> list:
        """(who asked, type) of every query for the name so far. Answers to NAPTR bring SRV and A along."""
        pattern = rf" ([0-9.]+)#\d+ \([^)]*\): query: {re.escape(name)} IN (\w+)"
        return re.findall(pattern, self.program.output())

    def _write(self, zone: Zone) -> None:
        self.serial += 1
        text = zone.text(self.serial) + f"ns A {self.host.address}\n"
        (self.folder / zone.origin).write_text(text)

    def _write_configuration(self) -> None:
        zones = "".join(f'zone "{origin}" {{ type primary; file "{origin}"; }};\n' for origin in self.zones)
        (self.folder / "named.conf").write_text(f"""\
options {{
  directory "{self.folder}"; listen-on {{ any; }}; recursion no; allow-query {{ any; }}; querylog yes;
  pid-file none; lock-file none; session-keyfile none; dnssec-validation no; minimal-responses no;
}};
controls {{ }};
{zones}""")


def wait_answer(host: Host, name: str, kind: str, seconds: float = 5) -> str:
    """What dig on the host gets to hear, once it is not empty."""
    ask = ("dig", "+short", "+time=1", "+tries=1", "@198.51.100.53", name, kind)

    def answer() -> str:
        done = host.run(*ask, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""
    return wait_for(answer, seconds, f"an answer to {name} {kind}")
