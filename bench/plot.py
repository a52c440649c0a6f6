"""Line charts as SVG, for docs/plots: axes with round numbers, one line a series, a legend.

    chart("docs/plots/x.svg", "Title", "users", "us per call",
          [Series("Causeway", [(1000, 41), (100000, 43)]), Series("Kamailio", [...])], log_x=True)
"""
import math
import os
from dataclasses import dataclass
from html import escape
from typing import Optional, Sequence

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 78, 44, 48, 84
COLOURS = ["#0b62a4", "#d1495b", "#2e8540", "#7a5195", "#8a6d3b"]


@dataclass
class Series:
    name: str
    points: Sequence[tuple]  # (x, y), or (x, y, lowest, highest)
    dashed: bool = False


class Axis:
    """Maps values to pixels; its ticks are round numbers."""

    def __init__(self, values, first_pixel, last_pixel, log, from_zero):
        self.log = log
        low, high = min(values), max(values)
        if log:
            self.low, self.high = math.floor(math.log10(low)), math.ceil(math.log10(high))
            self.high += self.low == self.high
            self.ticks = [10 ** e for e in range(self.low, self.high + 1)]
        else:
            low = min(0, low) if from_zero else low
            step = self.step_for((high - low) or abs(high) or 1)
            self.low, self.high = math.floor(low / step) * step, math.ceil(high / step) * step
            self.high += step * (self.low == self.high)
            self.ticks = [self.low + i * step for i in range(round((self.high - self.low) / step) + 1)]
        self.first_pixel, self.last_pixel = first_pixel, last_pixel

    @staticmethod
    def step_for(span):
        size = 10 ** math.floor(math.log10(span / 5))
        return next(size * m for m in (1, 2, 5, 10) if span / (size * m) <= 6)

    def at(self, value):
        share = ((math.log10(value) if self.log else value) - self.low) / (self.high - self.low)
        return self.first_pixel + share * (self.last_pixel - self.first_pixel)


def number(value):
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


def text(x, y, words, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(words)}</text>'


def line(series, colour, x, y):
    points = [(x.at(p[0]), y.at(p[1])) for p in series.points]
    drawn = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    dash = ' stroke-dasharray="6 4"' if series.dashed else ""
    parts = [f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>']
    if len(points) <= 40:
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in points]
    parts += [f'<path d="M{x.at(p[0]):.1f} {y.at(p[2]):.1f}V{y.at(p[3]):.1f}" stroke="{colour}"/>'
              for p in series.points if len(p) == 4]
    return parts


def chart(path: str, title: str, x_label: str, y_label: str, all_series: Sequence[Series], log_x: bool = False,
          y_from_zero: bool = True, y_at_least: Optional[float] = None) -> None:
    """Writes the chart. `y_at_least`: the y axis reaches this value, whatever the points."""
    points = [p for s in all_series for p in s.points]
    tops = [v for p in points for v in p[1:]] + ([y_at_least] if y_at_least is not None else [])
    x = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT, log_x, False)
    y = Axis(tops, HEIGHT - BOTTOM, TOP, False, y_from_zero)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             'font-family="sans-serif" font-size="13" fill="#222">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             text(WIDTH / 2, 26, title, extra='font-size="16"')]
    for tick in y.ticks:
        at = y.at(tick)
        parts += [f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>',
                  text(LEFT - 8, at + 4, number(tick), "end")]
    for tick in x.ticks:
        at = x.at(tick)
        parts += [f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>',
                  text(at, HEIGHT - BOTTOM + 18, number(tick))]
    parts += [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 40, x_label),
              text(0, 0, y_label, extra=f'transform="translate(18 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"')]
    for i, series in enumerate(all_series):
        colour = COLOURS[i % len(COLOURS)]
        parts += line(series, colour, x, y)
        at = LEFT + i * (WIDTH - LEFT - RIGHT) / len(all_series)
        parts += [f'<path d="M{at:.1f} {HEIGHT - 22}h22" stroke="{colour}" stroke-width="3"/>',
                  text(at + 28, HEIGHT - 18, series.name, "start")]
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(parts) + "\n</svg>\n")
