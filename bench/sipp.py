"""SIPp: phones that register, callers and callees, with the scenarios of bench/rig."""
import re
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

SCENARIOS = Path(__file__).resolve().parent / "rig"
BUFFER = 4 << 20  # SIPp's sockets, so that it does not lose datagrams while it waits for its turn
MODES = {"udp": "u1", "tcp": "t1"}


def scenario(name, over="udp"):
    """The file; over TCP a copy, in which phones are reached over TCP too."""
    text = (SCENARIOS / f"{name}.xml").read_text()
    file = Path(f"{name}-{over}.xml").resolve()
    file.write_text(text if over == "udp" else text.replace(":5080>", f":5080;transport={over}>"))
    return str(file)


def command(name, over, *arguments):
    return ["sipp", "-sf", scenario(name, over), "-t", MODES[over], "-i", "127.0.0.1", "-buff_size", str(BUFFER),
            "-nostdin", *map(str, arguments)]


def run(name, over, target, users, port, rate, count, timeout):
    """Plays `count` of the scenario; (successful, failed).

    What has not ended in time (SIPp never gives up a lost 200) has failed.
    """
    process = subprocess.Popen(command(name, over, "-inf", users, target, "-p", port, "-r", rate, "-m", count),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        text = process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        text = process.communicate()[0]
    found = re.findall(r"Successful call\s+\|\s+\d+\s+\|\s+(\d+)", text.decode(errors="replace"))
    good = int(found[-1]) if found else 0
    return good, count - good


@contextmanager
def callees(over="udp"):
    """Phones at port 5080 that answer every call."""
    uas = subprocess.Popen(command("uas", over, "-p", 5080), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)  # until it listens
        yield uas
    finally:
        uas.terminate()
        uas.wait()


def write_users(file, count, password=None):
    """u1 to uCOUNT, taken one after the other; with a password, what answers a challenge too."""
    answer = f"[authentication username=u{{0}} password={password}];" if password else ""
    Path(file).write_text("SEQUENTIAL\n" + "".join(f"u{i};{answer.format(i)}\n" for i in range(1, count + 1)))
    return str(Path(file).resolve())
