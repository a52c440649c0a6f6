"""The phone Linphone (linphonec), driven by commands down a FIFO, with files for a sound card."""
import os
import re
import signal
from pathlib import Path
from typing import Optional

from lab import tone
from lab.world import STATE, Program, World

_CONFIGURATION = """\
[sip]
sip_port=5060
sip_tcp_port={tcp_port}
sip_tls_port=0
default_proxy=0
use_ipv6=0
media_encryption=none
register_only_when_network_is_up=0
verify_server_certs=0
[net]
{nat_policy}
[rtp]
audio_rtp_port=10000-10999
[sound]
echocancellation=0
echolimiter=0
agc=0
[misc]
file_transfer_server_url=
config-uri=
[proxy_0]
reg_proxy=<sip:{through};transport={transport}>
reg_route=<sip:{through};transport={transport};lr>
reg_identity="{user}" <sip:{user}@{domain}>
reg_expires=600
reg_sendregister=1
quality_reporting_enabled=0
publish=0
{nat_policy}
[auth_info_0]
username={user}
passwd={password}
realm={domain}
domain={domain}
"""
# One codec, as the other phones have it: a recording that is not finished yet does not say how fast it is.
_CODECS = "\n".join(f"[audio_codec_{number}]\nmime={mime}\nrate={rate}\nchannels={channels}\nenabled={int(mime == 'PCMU')}"
                    for number, (mime, rate, channels) in enumerate((
                        ("PCMU", 8000, 1), ("PCMA", 8000, 1), ("opus", 48000, 2), ("speex", 16000, 1), ("speex", 8000, 1),
                        ("G729", 8000, 1)))) + "\n"
# For media: its account's name and password open the relays of its domain. It finds them by the domain's name.
_NAT_POLICY = """[nat_policy_0]
ref=lab
stun_server={domain}
stun_server_username={user}
protocols=stun,turn,ice
turn_enable_tcp={over_tcp}
"""


class Linphone:
    """A phone on a host of its own; it answers every call."""

    def __init__(self, world: World, name: str, number: int, address: str, password: str, frequency: int,
                 through: str, transport: str = "udp", ice: bool = False):
        """`through` is the address of the server that all its requests go to. `ice`: media over its domain's relays."""
        self.host = world.host(name, number)
        self.name = name
        self.frequency = frequency
        self.folder = STATE / name
        self.recordings = self.folder / "recordings"
        for folder in (".local/share/linphone", ".config/linphone", "recordings"):
            (self.folder / folder).mkdir(parents=True)
        tone.generate(self.folder / "tone.wav", frequency, 60)
        user, _, domain = address.partition("@")
        configuration = self.folder / "linphonerc"
        configuration.write_text(_CONFIGURATION.format(
            user=user, domain=domain, password=password, through=through, transport=transport,
            tcp_port=5060 if transport == "tcp" else 0, nat_policy="nat_policy_ref=lab" if ice else "")
            + _CODECS + (_NAT_POLICY.format(domain=domain, user=user, over_tcp=int(transport == "tcp")) if ice else ""))
        self._commands = self._open_fifo()
        self._recording = 0
        self._start()

    def _start(self) -> None:
        log = self.folder / "debug.log"
        log.unlink(missing_ok=True)
        self.program: Program = self.host.start(
            self.name, "linphonec", "-a", "-c", str(self.folder / "linphonerc"), "-d", "6", "-l", str(log),
            stdin=self._commands, env={**os.environ, "HOME": str(self.folder)}, cwd=self.folder)
        self.say("soundcard use files")
        self.say(f"play {self.folder}/tone.wav")
        self.clear_recordings()

    def _open_fifo(self) -> int:
        fifo = self.folder / "commands"
        os.mkfifo(fifo)
        return os.open(fifo, os.O_RDWR)  # both ends, so that it never ends

    def say(self, command: str) -> None:
        os.write(self._commands, command.encode() + b"\n")

    def crashed_gathering(self) -> bool:
        """As Linphone 5.1 does on a busy machine, once in some hundred calls, before its first question to a relay over TCP is out."""
        _, gathering, after = self._debug().rpartition("ICE: gathering candidates")
        return self.program.process.poll() == -signal.SIGSEGV and bool(gathering) and "Send TURN" not in after

    def restart(self) -> None:
        """After a crash; it is registered again when this returns."""
        self._start()
        self.wait_registered()

    def wait_registered(self, seconds: float = 15) -> None:
        self.program.wait_until(lambda: "to [LinphoneRegistrationOk]" in self._debug(), seconds,
                                f"{self.name} to be registered")

    def wait_established(self, seconds: float = 10) -> None:
        """Until media runs in a call that began after the last clear_recordings()."""
        self._wait_state("LinphoneCallStreamsRunning", seconds)

    def wait_closed(self, seconds: float = 10) -> None:
        self._wait_state("LinphoneCallEnd", seconds)

    def _wait_state(self, state: str, seconds: float) -> None:
        self.program.wait_until(lambda: re.search(rf"moving from state \w+ to {state}", self._debug()[self._mark:]),
                                seconds, f"{self.name}'s call to be in state {state}")

    def _debug(self) -> str:
        """Its debug log: what it prints comes too late to wait for."""
        file = self.folder / "debug.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def dial(self, address: str) -> None:
        self.say(f"call {address}")

    def hang_up(self) -> None:
        self.say("terminate all")

    def clear_recordings(self) -> None:
        """The next call is recorded to a new file."""
        self._recording += 1
        self._mark = len(self._debug())
        self.say(f"record {self.recordings}/{self._recording}-dec.wav")

    def forget_events(self) -> None:
        """What its calls went through so far is not waited for."""
        self._mark = len(self._debug())

    def heard(self) -> Optional[Path]:
        file = self.recordings / f"{self._recording}-dec.wav"
        return file if file.exists() else None

    def heard_seconds(self) -> float:
        """It records silence too, from the start of the call on."""
        file = self.heard()
        return tone.sound_seconds(file) if file else 0.0
