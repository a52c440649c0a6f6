"""Kamailio as the conventional SIP network: one domain's registrar and proxy on a host of its own."""
import subprocess
from pathlib import Path
from typing import Mapping

from lab import sip
from lab.ca import CertificateAuthority
from lab.world import STATE, Program, World

TEMPLATE = Path(__file__).with_name("kamailio.cfg")


class Kamailio:
    """Serves UDP and TCP on 5060, TLS on 5061, for `domain`, with the users and passwords given."""

    def __init__(self, world: World, name: str, number: int, domain: str, users: Mapping[str, str],
                 authority: CertificateAuthority, blocklist_seconds: int = 10, patience: float = 2):
        """`patience`: seconds that a silent server or phone is waited for; RFC 3261 has 32."""
        self.host = world.host(name, number)
        self.domain = domain
        self.folder = STATE / name
        self.folder.mkdir()
        self.control = self.folder / "control"
        # Its Record-Route names it by its address: who dials that over TLS wants the address in the certificate.
        certificate, key = authority.issue(domain, [self.host.address])
        self._configure({
            "DOMAIN": domain, "CERTIFICATE": certificate, "KEY": key, "CA": authority.certificate,
            "CONTROL": self.control, "BLOCKLIST_SECONDS": blocklist_seconds,
            "PATIENCE_MS": int(1000 * patience),
            "USERS": "\n".join(f'\t$sht(users=>{user}) = "{password}";' for user, password in users.items()),
        })
        self.program: Program
        self.start()

    def start(self) -> None:
        address, folder = self.host.address, str(self.folder)
        self.program = self.host.start(
            self.host.name, "kamailio", "-f", str(self.folder / "kamailio.cfg"), "-DD", "-E", "-m", "32", "-M", "4",
            "-Y", folder, "-w", folder, "-P", str(self.folder / "pid"),
            "-l", f"udp:{address}:5060", "-l", f"tcp:{address}:5060", "-l", f"tls:{address}:5061")

    def wait_ready(self) -> None:
        sip.wait_answering(self.program, self.host, self.domain)

    def registered(self, user: str) -> bool:
        return "Address:" in self.command("ul.lookup", "location", user)  # kamcmd's status is always 0

    def command(self, *words: str) -> str:
        done = subprocess.run(["kamcmd", "-s", f"unix:{self.control}", *words], capture_output=True, text=True,
                              timeout=5)
        return done.stdout + done.stderr

    def stop(self) -> None:
        """By SIGTERM: after SIGKILL its children would go on serving."""
        self.program.stop()

    def _configure(self, values: Mapping) -> None:
        text = TEMPLATE.read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        (self.folder / "kamailio.cfg").write_text(text)
