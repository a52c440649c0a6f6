"""The phone baresip: plays a tone, records what it hears, does what it is told over its control port."""
import json
import re
import socket
import time
from collections import deque
from pathlib import Path
from typing import Optional

from lab import tone
from lab.world import STATE, Failure, Program, World, wait_for

_CONTROL_PORT = 4444
_CONFIGURATION = """\
poll_method epoll
sip_listen {listen}
sip_cafile {ca}
call_local_timeout 30
audio_player aubridge,nil
audio_alert aubridge,alert
audio_source aufile,{folder}/tone.wav
snd_path {folder}/recordings
rtp_ports 10000-10999
rtp_timeout 20
jitter_buffer_delay 1-5
rtcp_mux yes
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module stun.so
module ice.so
module turn.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{port}
ringback_disabled yes
"""


class Baresip:
    """A phone on a host of its own. It answers every call, after `answer_after_ms` or at once."""

    def __init__(self, world: World, name: str, number: int, address: str, password: str, frequency: int,
                 through: str, ca: Path, parameters: str = "", listen: str = "0.0.0.0:5060"):
        """`address` is user@domain, `through` the SIP URI of the server that all its requests go to."""
        self.host = world.host(name, number)
        self.name = name
        self.frequency = frequency
        self.folder = STATE / name
        self.recordings = self.folder / "recordings"
        self.recordings.mkdir(parents=True)
        tone.generate(self.folder / "tone.wav", frequency, 60)
        (self.folder / "config").write_text(_CONFIGURATION.format(
            listen=listen, ca=ca, folder=self.folder, port=_CONTROL_PORT))
        (self.folder / "contacts").touch()
        self.address = f"sip:{address}"
        self.account = self.account_line(address, password, through, parameters)
        # It writes event by event, and each waits for the acknowledgement of the one before: not for 40 ms.
        self.host.run("ip", "route", "change", "table", "local", "local", "127.0.0.1", "dev", "lo", "quickack", "1")
        self._channel: Optional[socket.socket] = None
        self._start(self.account)

    @staticmethod
    def account_line(address: str, password: str, through: str, parameters: str = "") -> str:
        user = address.partition("@")[0]
        return (f"<sip:{address}>;auth_user={user};auth_pass={password};audio_codecs=PCMU;mwi=no;regint=600"
                f';answermode=auto;outbound="{through}"{parameters}')

    def _start(self, account: str) -> None:
        (self.folder / "accounts").write_text(account + "\n")
        self.program: Program = self.host.start(self.name, "baresip", "-4", "-s", "-f", str(self.folder))
        self.changed = account != self.account  # whether its accounts are other than at first
        self._buffer = b""
        self._events: deque = deque()
        self._answers: deque = deque()

    # -------------------------------------------------------------------------- control

    def connect(self) -> None:
        """Opens the control connection; everything that happened since the start stands in the log only."""
        def attempt():
            channel = self.host.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                channel.connect(("127.0.0.1", _CONTROL_PORT))
                return channel
            except OSError:
                channel.close()
                return None
        self._channel = self.program.wait_until(attempt, 5, f"{self.name}'s control port to open")

    def command(self, word: str, parameters: str = "", seconds: float = 5) -> str:
        """One command and its answer; Failure if baresip says that it failed."""
        message = {"command": word, "token": "lab"}
        if parameters:
            message["params"] = parameters
        text = json.dumps(message).encode()
        self._answers.clear()
        self._channel.sendall(b"%d:%s," % (len(text), text))
        end = time.monotonic() + seconds
        while not self._answers:
            if not self._receive(end):
                raise Failure(f"expected {self.name} to answer '{word}' within {seconds:g} s; {self._state()}")
        answer = self._answers.popleft()
        if not answer.get("ok"):
            raise Failure(f"expected {self.name} to do '{word} {parameters}'; it said: {answer.get('data')}")
        return answer.get("data", "")

    def wait_event(self, kind: str, seconds: float, **fields) -> dict:
        """The next event of that type whose fields contain the given texts; earlier events are dropped."""
        end = time.monotonic() + seconds
        seen = []
        while True:
            while self._events:
                event = self._events.popleft()
                if event["type"] == kind and all(text in str(event.get(key, "")) for key, text in fields.items()):
                    return event
                seen.append(f"{event['type']} {event.get('param', '')}".strip())
                if kind == "CALL_ESTABLISHED" and event["type"] == "CALL_CLOSED":
                    raise Failure(f"expected {self.name}'s call to be established; it was closed: "
                                  f"{event.get('param') or 'without a reason'}")
            if not self._receive(end):
                raise Failure(f"expected {kind} at {self.name} within {seconds:g} s; came: "
                              f"{', '.join(seen) or 'nothing'}; {self._state()}")

    def forget_events(self) -> None:
        while self._receive(time.monotonic()):
            pass
        self._events.clear()

    def _state(self) -> str:
        if self.program.alive():
            return "it runs"
        return f"it ended with status {self.program.process.returncode} and said:\n{self.program.tail()}"

    def _receive(self, end: float) -> bool:
        """Reads from the control connection until one message came or the time is up."""
        while True:
            size, colon, rest = self._buffer.partition(b":")
            if colon and len(rest) > int(size):
                message = json.loads(rest[:int(size)])
                self._buffer = rest[int(size) + 1:]
                (self._events if message.get("event") else self._answers).append(message)
                return True
            self._channel.settimeout(max(0.001, end - time.monotonic()))
            try:
                data = self._channel.recv(65536)
            except TimeoutError:
                return False
            except OSError:
                data = b""
            if not data:
                raise Failure(f"expected {self.name} to keep its control connection; {self._state()}")
            self._buffer += data

    # -------------------------------------------------------------------------- telephony

    def wait_established(self, seconds: float = 10) -> None:
        self.wait_event("CALL_ESTABLISHED", seconds)

    def wait_closed(self, seconds: float = 10) -> None:
        self.wait_event("CALL_CLOSED", seconds)

    def registered(self) -> bool:
        """By what baresip itself thinks of its current account."""
        return "OK" in self.command("reginfo")

    def wait_registered(self, seconds: float = 5) -> None:
        wait_for(self.registered, seconds, f"{self.name} to be registered", came=lambda: self.command("reginfo"))

    def add_account(self, line: str, seconds: float = 5) -> None:
        """Creates a second account and waits until it is registered; dialling stays with the first one."""
        self.changed = True
        self.forget_events()
        self.command("uanew", line)
        event = None
        address = line[1:line.index(">")]
        while event is None or address not in str(event.get("accountaor", "")):
            event = self.wait_event("REGISTER_OK", seconds)
        self.command("uafind", self.address)

    def restart(self, account: str) -> None:
        """Off and on again with this account; registered when it returns. The phone stays the same instance.

        Not by deleting accounts at run time: now and then baresip 1.0 crashes when told to (uadel).
        """
        self._channel.close()
        self.program.kill()
        self._start(account)
        self.connect()
        self.wait_registered()

    def reset_accounts(self) -> None:
        """Back to the one account that the phone was made with."""
        if self.changed or not self.program.alive():
            self.restart(self.account)

    def dial(self, address: str) -> None:
        self.command("dial", address)

    def hang_up(self) -> None:
        self.command("hangup")

    def calls(self) -> int:
        """How many calls it is in."""
        found = re.search(r"Active calls \((\d+)\)", self.command("listcalls"))
        return int(found.group(1)) if found else 0

    def end_calls(self) -> None:
        """Hangs up whatever is left over."""
        wait_for(self._no_call_left, 10, f"{self.name} to have no call left")

    def _no_call_left(self) -> bool:
        if not self.program.alive():
            return True
        if self.calls():
            self.hang_up()
        return not self.calls()

    def clear_recordings(self) -> None:
        for file in self.recordings.glob("*.wav"):
            file.unlink()

    def heard(self) -> Optional[Path]:
        """The latest recording of what came from the other side."""
        files = sorted(self.recordings.glob("*dec.wav"), key=lambda file: file.stat().st_mtime_ns)
        return files[-1] if files else None

    def heard_seconds(self) -> float:
        file = self.heard()
        return (file.stat().st_size - 44) / 2 / tone.RATE if file else 0.0
