"""The scenes of the demo, in order. Each module has ID, TITLE, COLUMNS and play(stage) -> Outcome.

One that takes long may have begin(stage), too, which is called before the first scene is played: what it returns
runs beside the others, and is stage.begun[ID] when its turn comes.
"""
import importlib
from dataclasses import dataclass, field
from typing import Optional

from lab.figures import Figure

_ORDER = ("inside", "callee_outside", "callee_outside_ice", "caller_outside", "caller_outside_ice", "public_address",
          "public_address_ice", "proxy_dies", "home_dies", "relays", "phones", "phone_public_address")


@dataclass
class Outcome:
    """What a scene that passed has to show."""
    setup_ms: float
    detail: str
    items: list = field(default_factory=list)  # for the diagram: messages, bursts, media
    started: float = 0.0
    figure: Optional[Figure] = None  # of the draft, whose step numbers are drawn


def all_scenes() -> list:
    return [importlib.import_module(f"lab.scenes.{name}") for name in _ORDER]
