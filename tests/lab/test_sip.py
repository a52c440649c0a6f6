"""The lab's reading of SIP messages, from datagrams and from streams."""
from lab import sip

INVITE = (b"INVITE sip:bob@p2psip.org SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.101;branch=z9hG4bK1\r\n"
          b"Record-Route: <sip:p2psip.org;lr>, <sip:198.51.100.10;lr>\r\nRecord-Route: <sip:x,y@example.com>\r\n"
          b"Subject: folded\r\n over lines\r\ni: abc\r\nCSeq: 7 INVITE\r\nContent-Length: 4\r\n\r\nbody")


def test_a_request_is_taken_apart():
    message = sip.parse(INVITE)
    assert (message.method, message.status, message.uri) == ("INVITE", 0, "sip:bob@p2psip.org")
    assert (message.call_id, message.cseq, message.body) == ("abc", "7 INVITE", b"body")
    assert message.get("subject") == "folded over lines"
    assert message.all("record-route") == ["<sip:p2psip.org;lr>", "<sip:198.51.100.10;lr>", "<sip:x,y@example.com>"]


def test_a_response_names_the_method_it_answers():
    message = sip.parse(b"SIP/2.0 407 Proxy Authentication Required\r\nCSeq: 1 BYE\r\n\r\n")
    assert (message.status, message.method, message.uri) == (407, "BYE", "")


def test_what_is_not_sip_is_not_read_as_sip():
    assert sip.parse(b"\x80\x00\x12\x34") is None
    assert sip.parse(b"\r\n\r\n") is None
    assert sip.parse(b"GET / HTTP/1.1\r\n\r\n") is None
    assert sip.parse(b"INVITE sip:x SIP/2.0") is None


def test_commas_in_quotes_do_not_part():
    assert sip.split_list('"A, B" <sip:a@x>, <sip:b@y>') == ['"A, B" <sip:a@x>', " <sip:b@y>"]


def test_a_stream_is_cut_into_messages_by_their_length():
    pings = b"\r\n\r\n"
    found = list(sip.parse_stream(pings + INVITE + pings + INVITE + INVITE[:50]))
    assert [text for _, text in found] == [INVITE, INVITE]
    assert found[0][0] == 4


def test_a_stream_that_is_not_sip_gives_nothing():
    assert list(sip.parse_stream(b"\x16\x03\x01\x02\x00" + b"x" * 600)) == []
