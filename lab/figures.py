"""The draft's figures 5 to 8 as tables, and what of them was on the wire.

A step is something that goes from one of the figure's columns to another. The columns are groups of hosts here: what
the draft draws as "overlay" are all peers, proxy peers among them, and a request may pass several of one group.
"""
from dataclasses import dataclass
from typing import Collection, Mapping, Sequence

from lab.capture import Media, Signal
from lab.sip import Message
from lab.world import Failure

# number, what, from, to. A step that goes both ways has the numbers of the draft once, and is found in any direction.
_FIGURES = {
    5: """1 Get Relay: alice overlay;  2 Response: overlay alice;  3 Init Relay: alice relay;  4 Ok: relay alice
          5 INVITE: alice overlay;  6 INVITE: overlay bob
          7 Get Relay: bob overlay;  8 Response: overlay bob;  9 Init Relay: bob relay;  10 Ok: relay bob
          11 ICE: any any;  12 RTP: any any""",
    6: """1 Get Relay: alice overlay;  2 Response: overlay alice;  3 Init Relay: alice relay;  4 Ok: relay alice
          5 Get Proxy: alice overlay;  6 Response: overlay alice
          7 INVITE: alice overlay;  7 INVITE: overlay overlay;  8 INVITE: overlay proxy;  9 INVITE: proxy carol
          10 ICE: any any;  11 RTP: any any""",
    7: """1 INVITE: carol proxy;  1 INVITE: proxy overlay;  2 INVITE: overlay overlay;  3 INVITE: overlay alice
          4 Get Relay: alice overlay;  5 Response: overlay alice;  6 Init Relay: alice relay;  7 Ok: relay alice
          8 ICE: any any;  9 RTP: any any""",
    8: """1 Get Proxy: alice overlay;  2 Response: overlay alice;  3 REGISTER: alice overlay
          3 REGISTER: overlay overlay;  4 REGISTER: overlay provider
          5 INVITE: carol proxy;  5 INVITE: proxy provider;  6 INVITE: provider overlay
          7 INVITE: overlay overlay;  8 INVITE: overlay alice
          9 Get Relay: alice overlay;  10 Response: overlay alice;  11 Init Relay: alice relay;  12 Ok: relay alice
          13 ICE: any any;  14 RTP: any any""",
}


@dataclass(frozen=True)
class Step:
    number: int
    what: str
    source: str
    target: str
    to: str = ""  # of a response: what was asked


class Figure:
    """One figure, with the addresses of those who play in it."""

    def __init__(self, number: int, roles: Mapping[str, Sequence[str]]):
        """`roles`: addresses by the names in the tables above."""
        self.number = number
        self._roles = roles
        self.steps = list(_steps(_FIGURES[number]))

    def of(self, item) -> int:
        """The step that a message, signal or media is; 0 if it is none."""
        return next((step.number for step in self.steps if self._fits(step, item)), 0)

    def numbers(self, what: str) -> set:
        """Of the steps that are this, or the response to it."""
        return {step.number for step in self.steps if what in (step.what, step.to)}

    def require(self, items: Sequence, absent: Collection[int] = (), anytime: Collection[int] = ()) -> None:
        """Each step has been seen, except those `absent`; none before the one before it, except those `anytime`."""
        first: dict = {}
        for item in items:
            number = self.of(item)
            if number:
                first[number] = min(item.time, first.get(number, item.time))
        wanted = {step.number for step in self.steps} - set(absent)
        seen = sorted(first)
        if not wanted <= set(seen) or set(seen) & set(absent):
            raise Failure(f"expected the steps {sorted(wanted)} of figure {self.number} on the wire; came: {seen}")
        in_order = [number for number in seen if number not in anytime]
        for before, after in zip(in_order, in_order[1:]):
            if first[after] < first[before] - _SAME_MOMENT:
                raise Failure(f"expected step {before} of figure {self.number} before {after}; it came "
                              f"{(first[before] - first[after]) * 1000:.1f} ms after it")

    def _fits(self, step: Step, item) -> bool:
        if _what(item) != step.what or isinstance(item, Signal) and item.to != step.to:
            return False
        return self._is(item.source, step.source) and self._is(item.target, step.target)

    def _is(self, address: str, role: str) -> bool:
        host = address.rpartition(":")[0] or address
        return role == "any" or host in self._roles.get(role, ())


# Traces of peers have milliseconds; a peer may note what came to it a little before the capture does.
_SAME_MOMENT = 0.003


def _steps(table: str):
    asked = ""
    for line in table.replace("\n", ";").split(";"):
        if line.strip():
            name, _, ends = line.partition(":")
            number, what = name.split(None, 1)
            if what.startswith("Get "):
                asked = what
            yield Step(int(number), what, *ends.split(), asked if what == "Response" else "")


def _what(item) -> str:
    if isinstance(item, Message):
        return "" if item.status else item.method
    return item.what if isinstance(item, (Signal, Media)) else ""
