"""Where the time of a call's set-up goes, by what was on the wire and in the peers' links."""
from typing import Container, Iterator, Mapping, Sequence

from lab import stun
from lab.call import Record
from lab.capture import is_rtp
from lab.world import Failure

Span = tuple  # (begin, end), in seconds since the epoch
SAME_MOMENT = 0.003  # the callee sends audio and its answer on two ways


def anatomy(record: Record, caller: str, callee: str, peers: Container, nominated: Sequence[float] = ()) -> dict:
    """When what happened, in milliseconds since the caller dialled, and what the two waits consist of.

    `caller`, `callee`: their addresses on the switch. `nominated`: when user agents said that they have a path.
    """
    dial = record.started
    ring = _first(record, "a 180 that reaches the caller", status=180, target=caller)
    answer = _first(record, "a 200 that leaves the callee", status=200, source=callee)
    invite = _first(record, "an INVITE that leaves the caller", source=caller)
    plain = stun.unwrapped(record.packets)
    audio = [_first_rtp(plain, address, since=answer - SAME_MOMENT) for address in (caller, callee)]
    relays, gathering = _before_invite(record, plain, caller, invite)
    spans = {"dns": _names(record.packets, (dial, ring)), "relays": relays, "target": list(_in_peers(record, peers)),
             "ice": gathering + _checks(plain, answer, nominated)}
    since_dial = {"ring": ring, "answer": answer, "audio at caller": audio[0], "audio at callee": audio[1]}
    return {**{name: _ms(time - dial) for name, time in since_dial.items()},
            "dial to ring": split((dial, ring), spans), "answer to audio": split((answer, max(audio)), spans)}


def split(window: Span, spans: Mapping[str, Sequence[Span]]) -> dict:
    """The window's milliseconds by kind; of two at the same time the first kind counts. What is left is "sip"."""
    left, found = [window], {}
    for kind, covered in spans.items():
        before = _length(left)
        for span in covered:
            left = [piece for one in left for piece in _without(one, span)]
        found[kind] = _ms(before - _length(left))
    return {**found, "sip": _ms(_length(left))}


def _without(one: Span, other: Span) -> list:
    pieces = ((one[0], min(one[1], other[0])), (max(one[0], other[1]), one[1]))
    return [piece for piece in pieces if piece[0] < piece[1]]


def _length(pieces: Sequence[Span]) -> float:
    return sum(end - begin for begin, end in pieces)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _first(record: Record, what: str, status: int = 0, source: str = "", target: str = "") -> float:
    times = [m.time for m in record.messages if m.method == "INVITE" and m.status == status
             and _host(m.source) == (source or _host(m.source)) and _host(m.target) == (target or _host(m.target))]
    if not times:
        raise Failure(f"expected {what}; there was none")
    return min(times)


def _first_rtp(plain: Sequence, target: str, since: float) -> float:
    times = [packet.time for packet in plain if packet.target == target and packet.time >= since and is_rtp(packet)]
    if not times:
        raise Failure(f"expected audio that reaches {target}; there was none")
    return min(times)


def _names(packets: Sequence, window: Span) -> list:
    """For each host that asks for names: from its first question until the last answer."""
    asked, found = {}, {}
    for packet in packets:
        if packet.protocol != "udp" or not window[0] <= packet.time <= window[1]:
            continue
        if packet.target_port == 53:
            asked.setdefault(packet.source, packet.time)
        elif packet.source_port == 53 and packet.target in asked:
            found[packet.target] = (asked[packet.target], packet.time)
    return list(found.values())


def _in_peers(record: Record, peers: Container) -> Iterator[Span]:
    """From an INVITE that comes to a peer until it goes on: the peer finds out where to."""
    invites = sorted((m for m in record.messages if m.method == "INVITE" and not m.status), key=lambda m: m.time)
    for number, came in enumerate(invites):
        peer = _host(came.target)
        left = [m.time for m in invites[number + 1:] if _host(m.source) == peer]
        if peer in peers and left:
            yield came.time, left[0]


def _before_invite(record: Record, plain: Sequence, caller: str, invite: float) -> tuple:
    """How long the caller looked for relays (questions, and which are near), and gathered candidates."""
    asked = [s.time for s in record.signals if s.what == "Get Relay" and s.source == caller and s.time < invite]
    allocated = [s.time for s in record.signals if s.what == "Init Relay" and s.source == caller and s.time < invite]
    asked += [packet.time for packet in _bindings(plain, to_server=True) if packet.source == caller and packet.time < invite]
    if not allocated:  # without relays, an address is all that servers are asked for
        return [], [(min(asked), invite)] if asked else []
    return [(min(asked), min(allocated))] if asked else [], [(min(allocated), invite)]


def _checks(plain: Sequence, answer: float, nominated: Sequence[float]) -> list:
    begun = [packet.time for packet in _bindings(plain, to_server=False)]
    return [(max(answer, min(begun)), max(nominated))] if begun and nominated and max(nominated) > answer else []


def _bindings(plain: Sequence, to_server: bool) -> Iterator:
    """Requests that ask a server for one's address, or the other side whether it hears."""
    for packet in plain:
        message = stun.parse(packet.payload)
        if message and (message.method, message.kind) == ("Binding", "request"):
            if (stun.USERNAME not in message.attributes) == to_server:
                yield packet
