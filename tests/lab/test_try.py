"""`causeway try`: a domain in one command."""
from pathlib import Path

import pytest

from lab import causeway, sip, tone
from lab.baresip import Baresip
from lab.ca import CertificateAuthority
from lab.dns import NameServer, Zone
from lab.world import STATE, World, wait_for

RIG = Path(__file__).parents[2] / "bench" / "rig"
pytestmark = [pytest.mark.world, pytest.mark.causeway]


def start(here: World, *more: str):
    host = here.host("machine", 30)
    program = host.start("try", str(causeway.program()), "try", "example.test", "--listen", f"{host.address}:5060", *more)
    return host, program


def registered_phones(here: World, ca: CertificateAuthority, through: str, names: list) -> list:
    phones = [Baresip(here, name, 101 + index, f"{name}@example.test", "any", 440 * (index + 1), through, ca.certificate)
              for index, name in enumerate(names)]
    for phone in phones:
        phone.connect()
        phone.wait_registered()
        phone.forget_events()
    return phones


def talk(caller: Baresip, callee: Baresip) -> None:
    """A call, in which both hear the other, and which the callee ends."""
    for phone in (caller, callee):
        phone.forget_events()
    old = [(phone, phone.heard()) for phone in (caller, callee)]
    caller.dial(callee.address)
    caller.wait_event("CALL_ESTABLISHED", 5)
    callee.wait_event("CALL_ESTABLISHED", 5)
    wait_for(lambda: all(phone.heard() != before and phone.heard_seconds() > 1 for phone, before in old), 5,
             "a second of sound")
    assert tone.share(caller.heard(), callee.frequency)[0] > 0.9 and tone.share(callee.heard(), caller.frequency)[0] > 0.9
    callee.hang_up()
    caller.wait_event("CALL_CLOSED", 5)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("zone", [Zone("example.test").add("@ A 198.51.100.30"), Zone("example.com")],
                         ids=["in the DNS", "not in the DNS"])
def test_two_phones_call_each_other(zone, transport):
    here = World()
    ca = CertificateAuthority(STATE / "ca")
    NameServer(here, [zone]).wait_ready()
    host, program = start(here, "--yes-really")
    sip.wait_answering(program, host, "example.test")
    one, two = registered_phones(here, ca, f"sip:{host.address};transport={transport}", ["one", "two"])
    talk(one, two)


# Phones come to the worker that the kernel chooses by their address and port, their bindings to that of their name.
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_phones_of_several_workers_call_each_other(transport):
    here = World()
    ca = CertificateAuthority(STATE / "ca")
    NameServer(here, [Zone("example.com")]).wait_ready()
    host, program = start(here, "--yes-really", "--set", "peer.workers=2")
    sip.wait_answering(program, host, "example.test")
    phones = registered_phones(here, ca, f"sip:{host.address};transport={transport}", ["one", "two", "three", "four"])
    for caller, callee in zip(phones, phones[1:]):
        talk(caller, callee)


def test_it_stays_on_loopback_unless_told_otherwise():
    here = World()
    _, program = start(here)
    assert program.process.wait(5) != 0
    assert "--yes-really" in program.output()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_calls_over_ipv6(transport):
    here = World()
    server, phones = here.host("machine", 30), here.host("phones", 101)
    ours, theirs = "2001:db8:1::30", "2001:db8:1::101"
    program = server.start("try", str(causeway.program()), "try", "p2p.test", "--listen", f"[{ours}]:5060", "--yes-really")
    wait_for(lambda: "is up" in program.output(), 5, "the peer to be up")
    register = STATE / "register.xml"
    register.write_text((RIG / "reg.xml").read_text().replace("127.0.0.1:5080", "[local_ip]:5080;transport=[transport]"))
    users = STATE / "users.csv"
    users.write_text("SEQUENTIAL\n" + "".join(f"u{i};\n" for i in range(10)))

    def play(name, scenario, port, *more):
        return phones.start(name, "sipp", f"[{ours}]:5060", "-sf", str(scenario), "-inf", str(users), "-i", theirs,
                            "-p", str(port), "-t", {"udp": "u1", "tcp": "t1"}[transport], "-nostdin", *more, cwd=STATE)

    once = ("-m", "10", "-r", "20", "-timeout", "10", "-timeout_error")
    assert play("register", register, 5070, *once).process.wait(15) == 0
    play("answer", RIG / "uas.xml", 5080)
    calls = play("call", RIG / "uac.xml", 5090, *once)
    assert calls.process.wait(15) == 0, calls.tail()
