"""`causeway ua`: told what to do on its standard input, tells what happens as JSON lines."""
import json
import subprocess
from pathlib import Path
from typing import Optional

from lab import causeway, tone
from lab.world import STATE, Failure, Host, wait_for


def password_file(user: str, password: str) -> Path:
    """As the program wants it: nobody else may read it."""
    file = STATE / f"{user}.password"
    file.write_text(password + "\n")
    file.chmod(0o600)
    return file


class UserAgent:
    """Plays a tone of its own to whom it talks with, and records what it hears."""

    def __init__(self, host: Host, name: str, frequency: int, *arguments: str):
        self.name = name
        self.host = host
        self.frequency = frequency
        self.folder = STATE / f"ua-{name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.tone = self.folder / "tone.wav"
        self.recording = self.folder / "heard.wav"
        tone.generate(self.tone, frequency, 60)
        self.arguments = arguments
        self.start()

    def start(self, *more: str) -> None:
        """Runs it, with more arguments than it was made with; it must not be running."""
        self.program = self.host.start(f"ua-{self.name}", str(causeway.program()), "ua", "--play", str(self.tone), "--record",
                                       str(self.recording), *self.arguments, *more, stdin=subprocess.PIPE)
        self._begun = len(self._all_events())  # those are of earlier runs
        self._read = 0  # events that have been waited for, or passed over

    @classmethod
    def phone(cls, host: Host, address: str, through: str, frequency: int, *arguments: str, password: str = "any"):
        """A line at a peer: `address` is user@domain, `through` udp:HOST:PORT, or empty: what the DNS says."""
        name = address.partition("@")[0]
        return cls(host, name, frequency, "--account", f"sip:{address}", "--password-file", str(password_file(name, password)),
                   *(("--via", through) if through else ()), *arguments)

    @classmethod
    def member(cls, host: Host, name: str, bundle: Path, frequency: int, *arguments: str):
        """A member of the overlay with a user's own credential."""
        return cls(host, name, frequency, "--bundle", str(bundle), *arguments)

    def tell(self, command: str) -> None:
        self.program.process.stdin.write(command.encode() + b"\n")
        self.program.process.stdin.flush()

    def events(self) -> list:
        """Since it was started."""
        return self._all_events()[self._begun:]

    def _all_events(self) -> list:
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
        return tone.share(self.recording, other)[0] if self.recording.exists() else 0.0

    def latest(self, event: str) -> Optional[dict]:
        """The last event of that name so far."""
        return next((one for one in reversed(self.events()) if one["event"] == event), None)

    def pair(self) -> tuple:
        """The path of its media, as the kinds of its two ends: ("relay", "srflx")."""
        found = self.latest("media")
        if found is None:
            raise Failure(f"expected {self.name} to have a path for its media; it said:\n{self.program.tail()}")
        here, _, there = found["pair"].partition(" <-> ")
        return here.split()[0], there.split()[0]

    # -------------------------------------------------------------------------- as lab.baresip, lab.linphone

    def heard(self) -> Optional[Path]:
        return self.recording if self.recording.exists() else None

    def heard_seconds(self) -> float:
        return tone.sound_seconds(self.recording) if self.recording.exists() else 0.0

    def clear_recordings(self) -> None:
        self.recording.unlink(missing_ok=True)

    def forget_events(self) -> None:
        self._read = len(self.events())

    def dial(self, address: str) -> None:
        self.tell(f"call {address}")

    def wait_established(self, seconds: float = 10) -> None:
        def settled() -> Optional[dict]:
            return next((one for one in self.events()[self._read:] if one["event"] == "established"
                         or one["event"] == "ended" and not one["established"]), None)
        event = wait_for(settled, seconds, f"a call of {self.name} to be established", came=self.program.tail)
        self._read = self.events().index(event) + 1
        if event["event"] == "ended":
            raise Failure(f"expected {self.name}'s call to be established; it ended: {event['reason']}")

    def wait_closed(self, seconds: float = 10) -> None:
        self.wait_event("ended", seconds)

    def wait_registered(self, seconds: float = 10) -> None:
        self.wait_event("registered", seconds)

    def hang_up(self) -> None:
        self.tell("hangup")

    def restart(self, *more: str, seconds: float = 10) -> None:
        """Off and on again, with more arguments than it was made with; registered when it returns."""
        self.program.stop()
        self.clear_recordings()
        self.start(*more)
        self.wait_registered(seconds)

    def end(self, seconds: float = 5) -> int:
        """Its exit status, after it has ended by itself."""
        try:
            return self.program.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"expected {self.name} to end within {seconds:g} s; it said:\n{self.program.tail()}") from None
