"""What must be true of the wire, whatever was played: asserted on captures, with what came in the text."""
import re
from typing import Sequence

from lab import capture, sip
from lab.stage import DOMAIN, RELAYS, Stage, label
from lab.world import Failure

CROSSING = f"sip:{DOMAIN}"
TLS_HANDSHAKE = b"\x16\x03"  # a record of handshake data, any version 3


def uri_of(value: str) -> str:
    """The URI in a name-addr, without its parameters: `<sip:p2psip.org;lr>` is sip:p2psip.org."""
    inner = re.search(r"<([^>]*)>", value)
    return (inner.group(1) if inner else value).partition(";")[0].strip()


def no_plain_sip_between_peers(stage: Stage, packets: list) -> None:
    peers = stage.overlay.addresses
    for packet in packets:
        if packet.source in peers and packet.target in peers and capture.looks_like_sip(packet):
            first = packet.payload.split(b"\r\n", 1)[0][:80].decode(errors="replace")
            raise Failure(f"expected nothing readable between peers; {stage.world.name_of(packet.source)} sent "
                          f"{stage.world.name_of(packet.target)} by {packet.protocol}: {first}")


def no_peer_address_recorded(stage: Stage, messages: list) -> None:
    """No Record-Route, Path or Service-Route names a peer by its address or its host name."""
    for message in messages:
        for name in ("record-route", "path", "service-route"):
            for value in message.all(name):
                host = uri_of(value).partition(":")[2].rpartition("@")[2]
                bare = host if host.startswith("[") else host.partition(":")[0]
                if bare in stage.overlay.addresses or bare.endswith("." + DOMAIN):
                    raise Failure(f"expected no address of a peer in {name}; {message.first} from {message.source} "
                                  f"to {message.target} has {value}")


def crossings(stage: Stage, messages: list) -> list:
    """Requests that pass between a peer and a conventional server: (message, whether it leaves the overlay)."""
    peers = stage.overlay.addresses
    outside = {stage.example_com.host.address, stage.example_org.host.address}
    found = []
    for message in messages:
        source, target = message.source.rpartition(":")[0], message.target.rpartition(":")[0]
        if not message.status and source in peers and target in outside:
            found.append((message, True))
        if not message.status and source in outside and target in peers:
            found.append((message, False))
    return found


def crossing_recorded(stage: Stage, messages: list) -> str:
    """Record-Route at the border is exactly the overlay's identifier. Returns where it was seen, in words.

    Leaving, the request shows it; entering, what the phone inside gets and what goes back to the outside.
    """
    invites = [(m, leaving) for m, leaving in crossings(stage, messages) if m.method == "INVITE"]
    if not invites:
        raise Failure("expected an INVITE to cross the overlay's border in the open; there was none")
    for message, leaving in invites:
        if leaving:
            _expect_top(message, f"{_names(stage, message)}: INVITE")
        else:
            _expect_on_return(stage, messages, message)
    return f"Record-Route <{CROSSING};lr> at the border ({_names(stage, invites[0][0])})"


def _expect_top(message: sip.Message, where: str) -> None:
    recorded = message.all("record-route")
    if not recorded or recorded[0] != f"<{CROSSING};lr>":
        raise Failure(f"expected {where} with <{CROSSING};lr> as the first Record-Route; "
                      f"came: {recorded or 'none at all'}")


def _expect_on_return(stage: Stage, messages: list, request: sip.Message) -> None:
    """The answer shows the whole list: what the server outside wrote, then exactly one entry for the border."""
    answers = [m for m in messages if m.method == "INVITE" and m.status == 200 and m.source == request.target]
    before = [uri_of(value) for value in request.all("record-route")]
    if not answers:
        raise Failure(f"expected {request.target} to answer the INVITE from {request.source}; no 200 was seen")
    recorded = answers[0].all("record-route")
    ours = recorded[:len(recorded) - len(before)]
    if not ours or ours[-1] != f"<{CROSSING};lr>":
        raise Failure(f"expected <{CROSSING};lr> next to {before} in the Record-Route of the 200; came: {recorded}")
    if sum(value == f"<{CROSSING};lr>" for value in ours) != 1:
        raise Failure(f"expected <{CROSSING};lr> once in the Record-Route of the 200; came: {recorded}")


def _names(stage: Stage, message: sip.Message) -> str:
    source, target = (message.source.rpartition(":")[0], message.target.rpartition(":")[0])
    return f"{label(stage.world.name_of(source))} to {label(stage.world.name_of(target))}"


def registration(stage: Stage, since: float, address: str) -> list:
    """The REGISTER transactions for a public address since then, on the wire and in the links."""
    found = stage.messages(since, stage.capture.since(since))
    calls = {m.call_id for m in found if m.method == "REGISTER" and address in m.get("to")}
    return [m for m in found if m.call_id in calls]


def overlay_contact(stage: Stage, registers: list, user: str) -> str:
    """What they gave the server of example.org as Contact: the user's URL in the overlay."""
    server = stage.example_org.host.address
    sent = [m for m in registers if m.target.startswith(server + ":") and not m.status]
    if not sent:
        raise Failure("expected a REGISTER from a proxy peer at sip.example.org; none was on the wire")
    contacts = [uri_of(value) for value in sent[-1].all("contact")]
    if contacts != [f"sip:{user}@{DOMAIN}"]:
        raise Failure(f"expected the overlay's URL sip:{user}@{DOMAIN} as Contact at sip.example.org; came: {contacts}")
    return contacts[0]


def nothing_plain_at_members(stage: Stage, packets: list) -> None:
    """What user agents that are members say and hear is inside TLS."""
    members = {nat.address for nat in stage.nats.values()}
    for packet in packets:
        if {packet.source, packet.target} & members and capture.looks_like_sip(packet):
            raise Failure(f"expected nothing readable at alice and bob; {stage.name_of(packet.source)} sent "
                          f"{stage.name_of(packet.target)} by {packet.protocol}: {packet.payload[:80]!r}")


def way_of_media(stage: Stage, media: list, start: str, end: str, relays: int) -> Sequence[str]:
    """The hosts that media passed from one to the other, with so many relays between; both ways, and nowhere else."""
    hops = {(stage.name_of(flow.source), stage.name_of(flow.target)) for flow in media}
    way = [start]
    while way[-1] != end:
        following = [target for source, target in hops if source == way[-1] and target not in way]
        if len(following) != 1:
            break
        way += following
    there = set(zip(way, way[1:]))
    both = there | {(target, source) for source, target in there}
    if way[-1] != end or hops != both or not set(way[1:-1]) <= set(RELAYS) or len(way) != relays + 2:
        raise Failure(f"expected media between {start} and {end} over {relays} relays and nowhere else; came: "
                      f"{sorted(hops) or 'none'}")
    return way


def links_are_tls(stage: Stage, packets: list) -> None:
    """Peers exchanged data over TCP, and every such connection speaks TLS from its first byte on."""
    peers = stage.overlay.addresses

    def between_peers(packet) -> bool:
        return packet.protocol == "tcp" and packet.source in peers and packet.target in peers

    if not any(between_peers(packet) and packet.payload for packet in packets):
        raise Failure("expected data on TLS links between the peers; none was on the wire")
    whole = capture.streams([packet for packet in stage.capture.packets if between_peers(packet)])
    for (source, _, target, _), pieces in whole.items():
        start = b"".join(piece for _, piece in pieces[:2])[:2]
        if start != TLS_HANDSHAKE:
            raise Failure(f"expected TLS from {stage.world.name_of(source)} to {stage.world.name_of(target)}; "
                          f"the connection begins with {start.hex()}")


def everywhere(stage: Stage, packets: list, messages: list) -> None:
    """What holds in every scene."""
    no_plain_sip_between_peers(stage, packets)
    no_peer_address_recorded(stage, messages)
    nothing_plain_at_members(stage, packets)
    links_are_tls(stage, packets)
