"""`causeway ua`: told what to do on its standard input, tells what happens as JSON lines."""
import json
import subprocess
from typing import Optional

from lab import causeway, tone
from lab.world import STATE, Failure, Host, wait_for


class UserAgent:
    """Plays a tone of its own to whom it talks with, and records what it hears."""

    def __init__(self, host: Host, name: str, frequency: int, *arguments: str):
        self.name = name
        self.frequency = frequency
        self.folder = STATE / f"ua-{name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.tone = self.folder / "tone.wav"
        self.heard = self.folder / "heard.wav"
        tone.generate(self.tone, frequency, 60)
        self.program = host.start(f"ua-{name}", str(causeway.program()), "ua", "--play", str(self.tone), "--record",
                                  str(self.heard), *arguments, stdin=subprocess.PIPE)
        self._read = 0  # events that have been waited for, or passed over

    @classmethod
    def phone(cls, host: Host, address: str, through: str, frequency: int, *arguments: str, password: str = "any"):
        """A line at a peer: `address` is user@domain, `through` udp:HOST:PORT."""
        name = address.partition("@")[0]
        secret = STATE / f"{name}.password"
        secret.write_text(password + "\n")
        secret.chmod(0o600)
        return cls(host, name, frequency, "--account", f"sip:{address}", "--password-file", str(secret), "--via", through,
                   *arguments)

    def tell(self, command: str) -> None:
        self.program.process.stdin.write(command.encode() + b"\n")
        self.program.process.stdin.flush()

    def events(self) -> list:
        found = []
        for line in self.program.output().splitlines():
            if line.startswith("{"):
                try:
                    found.append(json.loads(line))
                except ValueError:
                    pass  # not written to its end yet
        return found

    def wait_event(self, event: str, seconds: float = 5, **fields) -> dict:
        """The next event of that name with these fields; what came before it is passed over."""
        def look() -> Optional[dict]:
            for index, one in enumerate(self.events()):
                if index >= self._read and one["event"] == event and all(one.get(k) == v for k, v in fields.items()):
                    self._read = index + 1
                    return one
            return None
        return wait_for(look, seconds, f"'{event}' {fields or ''} of {self.name}", came=self.program.tail)

    def hears(self, other: int) -> float:
        """The share of that tone in what was recorded."""
        return tone.share(self.heard, other)[0] if self.heard.exists() else 0.0

    def heard_seconds(self) -> float:
        if not self.heard.exists():
            return 0.0
        samples, rate = tone.read(self.heard)
        return len(samples) / rate

    def end(self, seconds: float = 5) -> int:
        """Its exit status, after it has ended by itself."""
        try:
            return self.program.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"expected {self.name} to end within {seconds:g} s; it said:\n{self.program.tail()}") from None

