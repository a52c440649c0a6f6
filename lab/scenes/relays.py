"""dave and erin each find relays in the overlay, and coturn's client sends from one to the other (draft figure 5)."""
import time
from dataclasses import dataclass

from lab.capture import Media
from lab.scenes import Outcome
from lab.stage import DOMAIN, RELAYS, Stage, label
from lab.turn import Echo, Turn
from lab.uclient import INTERVAL, PACKET, Uclient
from lab.world import Failure, wait_for

ID = "7-relays"
TITLE = "media across two relays found in the overlay, one is killed (draft 3.2, 3.3.2)"
COLUMNS = ("dave", *RELAYS, "erin")
GONE_WITHIN = 10  # seconds


@dataclass
class Begun:
    """What runs beside the other scenes."""
    started: float
    found_ms: float
    near: str  # the relay of dave, by name
    far: str  # that of erin
    packets: int
    uclient: Uclient
    echo: Echo


def begin(stage: Stage) -> Begun:
    """Client A has an allocation at one relay. Its peer is what client B has allocated at another, and B sends all back."""
    for peer in (stage.overlay["peer-a"], stage.overlay["peer-b"]):
        wait_for(lambda: len(peer.relays()) == len(RELAYS), 15, f"{peer.name} to find {len(RELAYS)} relays",
                 came=lambda: f"{peer.relays()}")
    started, clock = time.time(), time.monotonic()
    ours = stage.overlay["peer-a"].relay_token(f"sip:dave@{DOMAIN}", relays=len(RELAYS))
    found_ms = (time.monotonic() - clock) * 1000
    theirs = stage.overlay["peer-b"].relay_token(f"sip:erin@{DOMAIN}", relays=len(RELAYS))
    near = ours["relays"][0]
    far = next(relay for relay in theirs["relays"] if relay["peer"] != near["peer"])
    echo = Echo(Turn(stage.erin.host, address_of(far), theirs["username"], far["password"]), address_of(near))
    packets = round(stage.relayed_seconds * 1000 / INTERVAL)
    uclient = Uclient(stage.dave.host, address_of(near), ours["username"], near["password"],
                      (echo.address, echo.port), packets)
    return Begun(started, found_ms, stage.world.name_of(address_of(near)), stage.world.name_of(address_of(far)), packets,
                 uclient, echo)


def play(stage: Stage) -> Outcome:
    begun: Begun = stage.begun[ID]
    sent, received, lost = begun.uclient.finish(stage.relayed_seconds + 30)
    begun.echo.stop()
    if not (sent == received == begun.echo.echoed == begun.packets and lost == 0):
        raise Failure(f"expected {begun.packets} packets to go to erin and to come back; {sent} were sent, erin had "
                      f"{begun.echo.echoed}, {received} came back, {lost} were lost")
    media = _path(stage, begun)
    gone = _kill(stage, begun.far)
    return Outcome(begun.found_ms, f"{sent} packets of {PACKET} bytes each way across {label(begun.near)} and "
                   f"{label(begun.far)}, none lost; {label(begun.far)} killed, not offered any more after {gone:.1f} s",
                   media, begun.started)


def address_of(relay: dict) -> str:
    """Of a relay as `causeway relay-token` and `causeway lookup` have it: where it is reached over UDP."""
    uri = next(uri for uri in relay["uris"] if uri.endswith("?transport=udp"))
    return uri.split(":")[1]


def _path(stage: Stage, begun: Begun) -> list:
    """Every packet went from dave over his relay and erin's to erin, and back the same way: by the capture."""
    packets = [packet for packet in stage.capture.since(begun.started)
               if packet.protocol == "udp" and len(packet.payload) >= PACKET]
    way = [stage.world.hosts[name].address for name in ("dave", begun.near, begun.far, "erin")]
    found = []
    for hop in list(zip(way, way[1:])) + list(zip(way[1:], way)):
        times = [packet.time for packet in packets if (packet.source, packet.target) == hop]
        if len(times) < begun.packets:
            raise Failure(f"expected {begun.packets} packets from {stage.world.name_of(hop[0])} to "
                          f"{stage.world.name_of(hop[1])} on the wire; came: {len(times)}")
        found.append(Media(times[0], *hop, len(times), "media"))
    return found


def _kill(stage: Stage, name: str) -> float:
    """kill -9; after how many seconds no lookup of anybody offers that relay any more."""
    address = stage.world.hosts[name].address
    peers = [stage.overlay[peer] for peer in ("peer-a", "peer-d")]
    for peer in peers:
        if len(peer.relays()) != len(RELAYS):
            raise Failure(f"expected {len(RELAYS)} relays at {peer.name} before one dies; came: {peer.relays()}")
    stage.overlay[name].kill()
    died = time.monotonic()

    def gone() -> bool:
        offered = [[address_of(relay) for relay in peer.relays()] for peer in peers]
        return all(address not in some and len(some) == len(RELAYS) - 1 for some in offered)
    wait_for(gone, GONE_WITHIN, f"new lookups to offer the {len(RELAYS) - 1} that live and not {name}",
             came=lambda: ", ".join(str(peer.relays()) for peer in peers))
    return time.monotonic() - died
