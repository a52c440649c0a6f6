"""coturn's relay on a host of its own, as it comes."""
import socket
from typing import Mapping

from lab import stun
from lab.world import STATE, World

_BINDING = b"\0\x01\0\0\x21\x12\xa4\x42" + bytes(12)


class Coturn:
    """At 3478, UDP and TCP, for `domain`, with the users and passwords given."""

    def __init__(self, world: World, name: str, number: int, domain: str, users: Mapping[str, str]):
        self.host = world.host(name, number)
        accounts = [word for user, password in users.items() for word in ("-u", f"{user}:{password}")]
        self.program = self.host.start(
            name, "turnserver", "-n", "--lt-cred-mech", *accounts, "-r", domain, "-L", self.host.address, "--no-cli", "--no-tls",
            "--no-dtls", "--log-file", "stdout", "--simple-log", "--pidfile", str(STATE / f"{name}.pid"))

    def wait_ready(self) -> None:
        self.program.wait_until(self._answers, 10, f"{self.host.name} to answer")

    def _answers(self) -> bool:
        with self.host.socket() as channel:
            channel.settimeout(0.2)
            channel.connect((self.host.address, stun.PORT))
            try:
                channel.send(_BINDING)
                return stun.parse(channel.recv(2000)) is not None
            except OSError:
                return False
