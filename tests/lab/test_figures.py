"""The draft's figures: which step something is, and what is missing or comes too early."""
import pytest

from lab import diagram
from lab.capture import Media, Signal
from lab.figures import Figure
from lab.sip import Message
from lab.world import Failure

ROLES = {"alice": ["1.1.1.1"], "overlay": ["2.2.2.2", "2.2.2.3"], "relay": ["3.3.3.3", "3.3.3.4"], "bob": ["4.4.4.4"]}
ALICE, PEER, OTHER_PEER, RELAY, OTHER_RELAY, BOB = "1.1.1.1", "2.2.2.2", "2.2.2.3", "3.3.3.3", "3.3.3.4", "4.4.4.4"


def invite(time, source, target):
    return Message(time, f"{source}:7400", f"{target}:7400", "tls", "INVITE sip:bob@p2psip.org SIP/2.0",
                   [("call-id", "c"), ("cseq", "1 INVITE")])


def call() -> list:
    """Figure 5, as it should be."""
    return [
        Signal(1.00, ALICE, PEER, "Get Relay", "turn:p2psip.org", inside_tls=True),
        Signal(1.01, PEER, ALICE, "Response", "to Get Relay", "Get Relay", True),
        Signal(1.02, ALICE, RELAY, "Init Relay"), Signal(1.03, RELAY, ALICE, "Ok", "3.3.3.3:50000"),
        invite(1.04, ALICE, PEER), invite(1.05, PEER, OTHER_PEER), invite(1.06, OTHER_PEER, BOB),
        Signal(1.07, BOB, OTHER_PEER, "Get Relay", inside_tls=True),
        Signal(1.08, OTHER_PEER, BOB, "Response", "to Get Relay", "Get Relay", True),
        Signal(1.09, BOB, OTHER_RELAY, "Init Relay"), Signal(1.10, OTHER_RELAY, BOB, "Ok"),
        Media(1.11, ALICE, RELAY, 3, "ICE"), Media(1.11, RELAY, ALICE, 2, "ICE"),
        Media(1.20, ALICE, RELAY, 50), Media(1.20, RELAY, ALICE, 51),
    ]


def test_each_step_has_its_number():
    figure = Figure(5, ROLES)
    assert [figure.of(item) for item in call()] == [1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10, 11, 11, 12, 12]
    figure.require(call())


def test_a_response_to_something_else_is_no_step():
    assert Figure(6, ROLES).of(Signal(1, PEER, ALICE, "Response", "", "Get Relay", True)) == 2
    assert Figure(6, ROLES).of(Signal(1, PEER, ALICE, "Response", "", "Get Proxy", True)) == 6
    assert Figure(6, ROLES).of(Signal(1, PEER, ALICE, "Response", "", "Get", True)) == 0


def test_what_is_missing_or_too_early_is_named():
    figure = Figure(5, ROLES)
    without_ice = [item for item in call() if getattr(item, "what", "") != "ICE"]
    with pytest.raises(Failure, match=r"11, 12\] of figure 5 on the wire; came: \[.*10, 12\]"):
        figure.require(without_ice)
    figure.require(without_ice, absent=[11])
    with pytest.raises(Failure, match="on the wire"):
        figure.require(call(), absent=[11])
    early = call() + [invite(0.9, OTHER_PEER, BOB)]
    with pytest.raises(Failure, match="expected step 5 of figure 5 before 6; it came 140.0 ms after it"):
        figure.require(early)
    figure.require(early, anytime=[6])


def test_the_diagram_has_the_figures_numbers():
    columns = [("alice", [ALICE]), ("peer A", [PEER]), ("peer B", [OTHER_PEER]), ("relay 1", [RELAY]), ("bob", [BOB])]
    items = [item for item in call() if OTHER_RELAY not in (item.source, item.target)]
    text = diagram.draw(columns, items, 1.0, Figure(5, ROLES).of)
    assert "|~(1) Get Relay" in text and "|<~(2) Response" in text and "-(3) Init Relay--" in text
    assert "~(5) INVITE~" in text and "~INVITE~" in text and "(7) Get Relay" in text
    assert "(11) ICE 3 packets, 2 back" in text and "(12) RTP 50 packets, 51 back" in text
