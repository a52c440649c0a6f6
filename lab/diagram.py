"""Draws what was on the wire as a sequence diagram in ASCII, one line per message.

            alice          peer A      sip.example.com
              |               |               |
       0 ms   |-(1) INVITE--->|               |
       4 ms   |               |-(2) INVITE--->|
      61 ms   |<==== RTP 104 one way, 103 the other =====>|

`-` is SIP that anyone on the wire can read, `~` what travelled inside TLS, `=` media.
"""
from dataclasses import dataclass
from typing import Callable, Optional, Sequence

from lab.capture import Burst, Media, Signal
from lab.sip import Message

_MARGIN = 12  # left of the first lifeline: the time
_LEAST_GAP = 14


@dataclass
class Arrow:
    """From one column to another: `label` is what fits best first, shorter forms after it."""
    time: float
    source: int
    target: int
    labels: Sequence[str]
    line: str = "-"


def draw(columns: Sequence[tuple], items: Sequence, start: float = 0,
         numbers: Optional[Callable] = None) -> str:
    """`columns` are (name, addresses) from left to right; items Message, Signal, Burst or Media, in any order.

    Items between addresses that no column has are left out, and so are columns nothing happened at. 100 (Trying)
    and repetitions are not drawn. Messages are numbered as they come, or everything by numbers(item), where that is
    not 0.
    """
    where = {address: index for index, (_, addresses) in enumerate(columns) for address in addresses}
    arrows = _arrows(items, where, numbers)
    if not arrows:
        return "(nothing was on the wire)\n"
    used = sorted({end for arrow in arrows for end in (arrow.source, arrow.target)})
    arrows = [Arrow(a.time, used.index(a.source), used.index(a.target), a.labels, a.line) for a in arrows]
    names = [columns[index][0] for index in used]
    return "\n".join(_lines(names, arrows, start or arrows[0].time)) + "\n"


def _arrows(items: Sequence, where: dict, numbers: Optional[Callable]) -> list:
    arrows, seen, count = [], set(), 0
    for item in sorted((item for item in items if not isinstance(item, Media)), key=lambda item: item.time):
        source, target = where.get(_host(item.source)), where.get(_host(item.target))
        if source is None or target is None or source == target:
            continue
        sign = _sign(item, source, target)
        if sign in seen or isinstance(item, Message) and item.status == 100:
            continue
        seen.add(sign)
        count += isinstance(item, Message)
        number = numbers(item) if numbers else count * isinstance(item, Message)
        arrows.append(Arrow(item.time, source, target, *_labels(item, f"({number}) " if number else "")))
    arrows += _media_arrows(items, where, numbers or (lambda _: 0))
    return sorted(arrows, key=lambda arrow: arrow.time)


def _host(address: str) -> str:
    return address.rpartition(":")[0] or address


def _sign(item, source: int, target: int) -> tuple:
    """What is the same in repetitions, of which the first is drawn."""
    if not isinstance(item, Message):
        return (id(item),)
    return source, target, item.first, item.call_id, item.cseq, item.get("via")


def _labels(item, number: str) -> tuple:
    """(labels, line) of an arrow."""
    if isinstance(item, Burst):
        return [f"TLS {item.size} bytes", f"TLS {item.size}", "TLS"], "~"
    if isinstance(item, Signal):
        labels = [f"{number}{item.what} {item.more}"] if item.more else []
        return labels + [f"{number}{item.what}", item.what], "~" if item.inside_tls else "-"
    line = "~" if item.transport == "tls" else "-"
    if item.status:
        _, code, reason = item.first.split(" ", 2)
        return [f"{number}{code} {reason}", f"{number}{code}", code], line
    return [f"{number}{item.method}", item.method], line


def _media_arrows(items: Sequence, where: dict, numbers: Callable) -> list:
    flows: dict = {}
    for item in items:
        if isinstance(item, Media) and item.source in where and item.target in where:
            flows[item.what, where[item.source], where[item.target]] = item
    arrows = []
    for (what, source, target), flow in flows.items():
        back = flows.get((what, target, source))
        name = f" ({numbers(flow)}) {what} " if numbers(flow) else f" {what} "
        if back is None:
            arrows.append(Arrow(flow.time, source, target, [f"{name}{flow.count} ", name, f" {what} "], "="))
        elif source < target:
            labels = [f"{name}{flow.count} packets, {back.count} back ", f"{name}{flow.count}, {back.count} ", name,
                      f" {what} "]
            arrows.append(Arrow(min(flow.time, back.time), source, target, labels, "<"))
    return arrows


def _lines(names: Sequence[str], arrows: Sequence[Arrow], start: float) -> list:
    shortest = max((len(arrow.labels[-2] if len(arrow.labels) > 2 else arrow.labels[0]) for arrow in arrows
                    if arrow.line in "-~" and abs(arrow.source - arrow.target) == 1), default=0)
    gap = max(_LEAST_GAP, shortest + 3, max(map(len, names)) + 1)
    at = [_MARGIN + index * (gap + 1) for index in range(len(names))]
    head = [" "] * (at[-1] + gap)
    for name, position in zip(names, at):
        left = position - len(name) // 2
        head[left:left + len(name)] = name
    blank = [" "] * (at[-1] + 1)
    for position in at:
        blank[position] = "|"
    lines = ["".join(head).rstrip(), "".join(blank)]
    for arrow in arrows:
        line = blank.copy()
        line[:_MARGIN - 3] = f"{(arrow.time - start) * 1000:6.0f} ms"
        _put_arrow(line, at[arrow.source], at[arrow.target], arrow)
        lines.append("".join(line))
    return lines + ["".join(blank)]


def _put_arrow(line: list, source: int, target: int, arrow: Arrow) -> None:
    left, right = min(source, target) + 1, max(source, target)
    both = arrow.line == "<"
    fill = "=" if both else arrow.line
    room = right - left - 2
    label = next((label for label in arrow.labels if len(label) <= room), "")
    if fill == "=":
        text = label.center(right - left, fill)
    elif source < target:
        text = (fill + label).ljust(right - left, fill)
    else:
        text = (fill + fill + label).ljust(right - left, fill)
    line[left:right] = text
    if both or source < target:
        line[right - 1] = ">"
    if both or source > target:
        line[left] = "<"
