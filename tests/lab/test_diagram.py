"""Diagrams are drawn from messages, bursts of TLS and media."""
from lab import diagram
from lab.capture import Burst, Media
from lab.sip import Message

COLUMNS = [("alice", ["1.1.1.1"]), ("peer A", ["2.2.2.2"]), ("peer B", ["3.3.3.3"]), ("bob", ["4.4.4.4"])]


def message(time, source, target, first, transport="udp", cseq="1 INVITE", via="v"):
    return Message(time, f"{source}:5060", f"{target}:5060", transport, first,
                   [("call-id", "c"), ("cseq", cseq), ("via", via)])


INVITE = "INVITE sip:bob@p2psip.org SIP/2.0"


def test_arrows_by_kind_and_direction():
    items = [
        message(10.000, "1.1.1.1", "2.2.2.2", INVITE),
        message(10.002, "2.2.2.2", "3.3.3.3", INVITE, "tls"),
        message(10.004, "3.3.3.3", "4.4.4.4", INVITE),
        message(10.005, "2.2.2.2", "1.1.1.1", "SIP/2.0 100 Trying"),
        message(10.100, "4.4.4.4", "3.3.3.3", "SIP/2.0 200 OK"),
        Media(10.200, "1.1.1.1", "4.4.4.4", 104), Media(10.201, "4.4.4.4", "1.1.1.1", 103),
    ]
    assert diagram.draw(COLUMNS, items, 10.0) == """\
          alice         peer A         peer B           bob
            |              |              |              |
     0 ms   |-(1) INVITE-->|              |              |
     2 ms   |              |~(2) INVITE~~>|              |
     4 ms   |              |              |-(3) INVITE-->|
   100 ms   |              |              |<-(4) 200 OK--|
   200 ms   |<======= RTP 104 packets, 103 back ========>|
            |              |              |              |
"""


def test_columns_where_nothing_happened_are_left_out():
    text = diagram.draw(COLUMNS, [message(1, "1.1.1.1", "4.4.4.4", INVITE)])
    assert text.splitlines()[0].split() == ["alice", "bob"]


def test_repetitions_are_drawn_once_and_strangers_never():
    once = message(1, "1.1.1.1", "2.2.2.2", INVITE)
    again = message(1.5, "1.1.1.1", "2.2.2.2", INVITE)
    text = diagram.draw(COLUMNS, [once, again, message(2, "9.9.9.9", "2.2.2.2", INVITE)])
    assert text.count("INVITE") == 1
    assert diagram.draw(COLUMNS, [message(2, "9.9.9.9", "8.8.8.8", INVITE)]) == "(nothing was on the wire)\n"


def test_a_second_try_with_another_branch_is_drawn():
    text = diagram.draw(COLUMNS, [message(1, "1.1.1.1", "2.2.2.2", INVITE),
                                  message(2, "1.1.1.1", "2.2.2.2", INVITE, via="w")])
    assert text.count("INVITE") == 2


def test_unreadable_links_show_their_sizes():
    text = diagram.draw(COLUMNS, [Burst(1, "3.3.3.3", "2.2.2.2", 1313)])
    assert "|<~TLS 1313~~~~|" in text


def test_long_labels_are_shortened_not_cut():
    text = diagram.draw(COLUMNS, [message(1, "2.2.2.2", "1.1.1.1", "SIP/2.0 407 Proxy Authentication Required"),
                                  message(2, "4.4.4.4", "1.1.1.1", "SIP/2.0 480 Temporarily Unavailable")])
    assert "(1) 407---" in text and "Proxy" not in text


def test_an_arrow_crosses_the_columns_between():
    items = [message(1, "1.1.1.1", "2.2.2.2", INVITE), message(2, "4.4.4.4", "1.1.1.1", INVITE)]
    line = diagram.draw(COLUMNS, items).splitlines()[3]
    assert line.startswith("  1000 ms   |<-(2) INVITE---") and line.endswith("-|") and line.count("|") == 2
