"""The highest rate of calls at which none fails: doubled until one does, then narrowed down to STEP."""
import time

FIRST, STEP = 1000, 250
SECONDS = 5
LATE = 1.15  # took this much longer than it should: SIPp cannot make so many, or they wait


def highest(contenders):
    for contender in contenders:
        with contender:
            for _, work in contender.preparations():
                work()
            with contender.callees():
                rate, why = search(contender)
        print(f"{contender.name}: no call of {SECONDS} s fails at {rate:,} a second; above: {why}", flush=True)


def search(contender):
    good, bad, why = 0, None, "not tried"
    rate = FIRST
    while bad is None or bad - good > STEP:
        trouble = attempt(contender, rate)
        if trouble:
            bad, why = rate, trouble
        else:
            good = rate
        rate = 2 * rate if bad is None else (good + bad) // 2
    return good, why


def attempt(contender, rate):
    """What went wrong, or None."""
    began = time.monotonic()
    _, failed = contender.calls(rate, SECONDS)
    took = time.monotonic() - began
    if failed:
        return f"{failed} of {rate * SECONDS:,} calls failed at {rate:,}/s"
    if took > SECONDS * LATE + 1:
        return f"of {rate:,} calls a second only {rate * SECONDS / took:,.0f} were made"
    return None
