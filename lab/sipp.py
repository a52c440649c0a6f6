"""SIPp for exact messages and for many calls: the scenarios stand in lab/scenarios."""
import itertools
from pathlib import Path

from lab.world import STATE, Failure, Host, Program

_SCENARIOS = Path(__file__).with_name("scenarios")
_number = itertools.count(1)


def _scenario(name: str, values: dict) -> Path:
    """The scenario with every @NAME@ in it filled in; @AT@ is an at-sign."""
    text = (_SCENARIOS / f"{name}.xml").read_text()
    for key, value in {**values, "AT": "@"}.items():
        text = text.replace(f"@{key}@", str(value))
    file = STATE / f"sipp-{next(_number)}-{name}.xml"
    file.write_text(text)
    return file


def _start(host: Host, scenario: Path, *arguments: str, port: int, transport: str) -> Program:
    return host.start(scenario.stem, "sipp", *arguments, "-sf", str(scenario), "-i", host.address, "-mi", host.address,
                      "-p", str(port), "-t", {"udp": "u1", "tcp": "t1"}[transport], "-nostdin",
                      "-trace_err", "-error_file", str(STATE / f"{scenario.stem}.err"), "-mp", "20000",
                      cwd=STATE)


def answering(host: Host, port: int = 5060, transport: str = "udp") -> Program:
    """A phone that answers every call until it is stopped."""
    return _start(host, _scenario("uas", {}), port=port, transport=transport)


def call(host: Host, through: str, user: str, domain: str, password: str, to: str, count: int = 1, rate: int = 10,
         transport: str = "udp", port: int = 5062, pause_ms: int = 0, seconds: int = 30) -> Program:
    """`count` calls as user@domain to the address `to`, by way of the server `through` (address:port)."""
    callee, _, to_domain = to.partition("@")
    scenario = _scenario("uac", {"USER": user, "DOMAIN": domain, "PASSWORD": password, "TO_DOMAIN": to_domain,
                                 "PAUSE_MS": pause_ms})
    return _start(host, scenario, through, "-s", callee, "-auth_uri", to, "-m", str(count), "-r", str(rate), "-timeout", str(seconds),
                  "-timeout_error", port=port, transport=transport)


def register(host: Host, through: str, user: str, domain: str, password: str, transport: str = "udp",
             contact_transport: str = "", port: int = 5060, seconds: int = 5) -> None:
    """Registers the host's address and port (where answering() may listen) and returns when it is done.

    Done over a stream, the stream is closed then: servers that answer down the stream lose the phone.
    """
    scenario = _scenario("register", {"USER": user, "DOMAIN": domain, "PASSWORD": password,
                                      "TRANSPORT": contact_transport or transport})
    expect_success(_start(host, scenario, through, "-auth_uri", domain, "-m", "1", "-timeout", str(seconds), "-timeout_error",
                          port=port, transport=transport), seconds + 5)


def expect_success(program: Program, seconds: float = 35) -> None:
    """All calls of it went by the scenario; or a Failure with SIPp's own words."""
    status = program.process.wait(seconds)
    if status != 0:
        errors = STATE / f"{program.tag}.err"
        said = errors.read_text(errors="replace")[:1500] if errors.exists() else program.tail()
        raise Failure(f"expected {program.tag} to succeed; it ended with status {status} and said:\n{said}")
