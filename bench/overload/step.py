"""Five times the best for ten seconds, then normal again: how long until no call is refused or late any more, what
becomes of the calls in progress when it began, and of the registrations made before."""
import json
import subprocess

from bench import load
from bench.overload import servers

BEFORE, DURING, AFTER = 3, 10, 8  # seconds
NORMAL, TOO_MUCH = 0.5, 5         # times the best
EVERY = 0.1                       # seconds between two lines of the generator
LATE = 2                          # times the wait before
# Others, at addresses of their own: who talks when it begins and hangs up in the midst of it, and who is registered.
TALKERS = {"first": 20_000, "users": 1_000, "phones": "127.0.0.1:5082", "callers": "127.0.0.1:5092"}
REGISTERED = {"first": 30_000, "users": 1_000, "phones": "127.0.0.1:5084", "callers": "127.0.0.1:5094"}
TALK = BEFORE + DURING / 2


def run(kind, **options):
    return subprocess.Popen(load.command(kind, **options), stdout=subprocess.PIPE, text=True)


def last_line(process):
    return json.loads(process.communicate()[0].splitlines()[-1])


def step(contender, top):
    with contender:
        load.register(**servers.USERS)
        load.register(**TALKERS)
        load.register(**REGISTERED)
        talking = run("call", rate=1000, seconds=1, hold=TALK, **TALKERS)
        phases = f"{NORMAL * top}:{BEFORE},{TOO_MUCH * top}:{DURING},{NORMAL * top}:{AFTER}"
        calls = run("call", phases=phases, every=EVERY, **servers.USERS)
        lines, renewed = [], None
        for text in calls.stdout:
            lines.append(json.loads(text))
            if renewed is None and lines[-1]["t"] > BEFORE + 2:
                renewed = run("register", rate=200, **REGISTERED)
            if lines[-1]["t"] > BEFORE + DURING + AFTER:
                break
        calls.terminate()
        calls.communicate()
        talked, registered = last_line(talking), last_line(renewed)
        reached = last_line(run("call", rate=500, seconds=2, **REGISTERED))
    tell(contender.name, lines)
    print(f"  calls in progress when it began: {talked['completed']} of {talked['begun']} completed; "
          f"registrations renewed in overload: {registered['accepted']} of {REGISTERED['users']}; "
          f"calls to those afterwards: {reached['completed']} of {reached['begun']} completed", flush=True)


def tell(name, lines):
    before = [line for line in lines if 1 < line["t"] <= BEFORE]
    during = [line for line in lines if BEFORE + 1 < line["t"] <= BEFORE + DURING]
    usual = max(line["longest_wait_ms"] for line in before)
    goodput = (during[-1]["completed"] - during[0]["completed"]) / (during[-1]["t"] - during[0]["t"])
    end = BEFORE + DURING
    refused = late = None
    for earlier, line in zip(lines, lines[1:]):
        if line["refused"] > earlier["refused"] and line["t"] > end:
            refused = line["t"] - end
        if line["longest_wait_ms"] > max(LATE * usual, 20) and line["t"] > end:
            late = line["t"] - end
    shown = ["never" if at is None else f"{at:.1f} s" for at in (refused, late)]
    print(f"{name}, {TOO_MUCH} times the best for {DURING} s: {goodput:,.0f} calls a second completed; after it the last "
          f"refused at {shown[0]}, the last late one (more than {max(LATE * usual, 20):.0f} ms) at {shown[1]}")
