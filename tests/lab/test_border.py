"""What the domain does for strangers: takes calls to its users, and nothing else."""
import time

import pytest

from domain import DOMAIN, Domain, Raw, request
from lab import capture

pytestmark = [pytest.mark.world, pytest.mark.causeway]
VICTIM = "198.51.100.10"  # example.com, in the zone


@pytest.mark.parametrize("peer", ["peer-a", "peer-d"], ids=["registrar", "proxy"])
def test_a_stranger_cannot_relay_to_another_domain(peer):
    here = Domain()
    here.world.host("sip.example.com", 10)
    stranger = here.world.host("stranger", 120)
    start = time.time()
    me, them = "sip:mallory@example.net", "sip:carol@example.com"
    attempts = [
        request("INVITE", them, me),
        request("MESSAGE", them, me, body="buy"),
        request("REGISTER", "sip:example.com", me, them),
        request("OPTIONS", them, me),
        request("SUBSCRIBE", them, me, more=["Event: presence"]),
        request("INVITE", them, me, more=[f"Route: <sip:{DOMAIN};lr>"]),
        request("INVITE", them, me, more=[f"Route: <sip:{here.address(peer)};lr>"]),
        request("INVITE", f"sip:alice@{DOMAIN}", me, more=[f"Route: <sip:{DOMAIN};lr>, <sip:{VICTIM};lr>"]),
        request("INVITE", f"sip:carol@{VICTIM}", me),
    ]
    answers = {}
    for transport in ("udp", "tcp"):
        for attempt in attempts:
            raw = Raw(stranger, here.address(peer), transport=transport)
            raw.send(attempt.replace("SIP/2.0/UDP", f"SIP/2.0/{transport.upper()}"))
            answers[transport, " ".join(attempt.split()[:2]), attempt.count("Route")] = raw.final()
    # A REGISTER might be that of a user who has not said so yet: he is asked for his password.
    expected = {what: 407 if "REGISTER" in what[1] else 403 for what in answers}
    assert answers == expected
    assert _sent_to_victim(here, start) == []


@pytest.mark.parametrize("peer", ["peer-a", "peer-d"], ids=["registrar", "proxy"])
def test_a_stranger_cannot_use_the_name_of_a_member(peer):
    """Neither towards another domain nor towards another user: refused, or asked for the password."""
    here = Domain()
    here.callee("bob", 102, "peer-a")
    here.world.host("sip.example.com", 10)
    stranger = here.world.host("stranger", 120)
    start = time.time()
    for uri in ("sip:carol@example.com", f"sip:bob@{DOMAIN}"):
        for more in ([], [f"P-Asserted-Identity: <sip:alice@{DOMAIN}>"]):
            raw = Raw(stranger, here.address(peer))
            raw.send(request("INVITE", uri, f"sip:alice@{DOMAIN}", more=more))
            assert raw.final() in (401, 403, 407)
    assert _sent_to_victim(here, start) == []
    assert here.counts(start, ["198.51.100.102"]) == [0]


def test_a_stranger_may_call_a_user():
    here = Domain()
    here.callee("bob", 102, "peer-a")
    stranger = here.world.host("stranger", 120)
    for peer in ("peer-a", "peer-d"):
        raw = Raw(stranger, here.address(peer))
        raw.send(request("INVITE", f"sip:bob@{DOMAIN}", "sip:mallory@example.net"))
        assert raw.final() == 200


def test_who_is_not_there_and_who_is_not_known():
    here = Domain()
    stranger = here.world.host("stranger", 120)
    for user, status in (("alice", 480), ("nobody", 404)):
        for peer in ("peer-a", "peer-d"):
            raw = Raw(stranger, here.address(peer))
            raw.send(request("INVITE", f"sip:{user}@{DOMAIN}", "sip:mallory@example.net"))
            assert raw.final() == status, f"{user} at {peer}"


def test_malformed_requests_are_answered_with_400_where_that_is_possible():
    here = Domain()
    stranger = here.world.host("stranger", 120)
    good = request("INVITE", f"sip:bob@{DOMAIN}", "sip:mallory@example.net")
    for bad in (good.replace("CSeq: 1 INVITE\r\n", ""), good.replace("CSeq: 1 INVITE", "CSeq: one INVITE"),
                good.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), good.replace("From: <", "From: <<"),
                good.replace(f"INVITE sip:bob@{DOMAIN}", "INVITE sip:bob@[")):
        raw = Raw(stranger, here.address("peer-d"))
        raw.send(bad)
        assert raw.final() == 400, bad
    raw = Raw(stranger, here.address("peer-d"))
    raw.send(b"\x00\xff garbage \r\n\r\n")
    assert raw.receive(0.3) is None
    raw.send(request("OPTIONS", f"sip:{DOMAIN}", "sip:mallory@example.net"))
    assert raw.final() == 200


def test_the_peers_port_speaks_to_members_only():
    here = Domain()
    stranger = here.world.host("stranger", 120)
    raw = Raw(stranger, here.address("peer-a"), 7400, "tcp")
    raw.send(request("OPTIONS", f"sip:{DOMAIN}", "sip:mallory@example.net", transport="TCP"))
    assert raw.receive(1) is None
    raw = Raw(stranger, here.address("peer-a"), 7400, "udp")
    raw.send(request("OPTIONS", f"sip:{DOMAIN}", "sip:mallory@example.net"))
    assert raw.receive(0.5) is None
    assert here.overlay["peer-a"].alive()


def _sent_to_victim(here: Domain, start: float) -> list:
    return [p for p in here.capture.since(start) if p.target == VICTIM and p.source in here.overlay.addresses
            and (capture.looks_like_sip(p) or p.protocol == "tcp")]
