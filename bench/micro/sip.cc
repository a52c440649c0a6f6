// Parsing and forwarding (design goal: INVITE 0.5 us, response 0.3 us, forward 0.3 us).
#include <benchmark/benchmark.h>

#include <string>

#include "sip/framing.h"
#include "sip/headers.h"
#include "sip/message.h"
#include "sip/rewrite.h"

namespace causeway::sip {
namespace {

// 640 bytes, as a phone sends it through its proxy.
const std::string kInvite =
    "INVITE sip:bob@p2psip.org SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.17:5060;branch=z9hG4bK-524287-1---a3f1c9e7;rport\r\n"
    "Max-Forwards: 70\r\n"
    "Contact: <sip:alice@192.0.2.17:5060;ob>\r\n"
    "To: \"Bob\" <sip:bob@p2psip.org>\r\n"
    "From: \"Alice\" <sip:alice@p2psip.org>;tag=8f2a17b3\r\n"
    "Call-ID: 83120NTk4ZjI3NDk4NTA2ZmFkMWQ\r\n"
    "CSeq: 1 INVITE\r\n"
    "Allow: OPTIONS, INVITE, ACK, CANCEL, BYE, REFER, INFO, NOTIFY\r\n"
    "Content-Type: application/sdp\r\n"
    "Supported: replaces, outbound, gruu\r\n"
    "User-Agent: Phone/5.6.1\r\n"
    "Content-Length: 156\r\n"
    "\r\n"
    "v=0\r\no=- 123 1 IN IP4 192.0.2.17\r\ns=-\r\nc=IN IP4 192.0.2.17\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 9 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\na=x\r\n1234";
const std::string kOk =
    "SIP/2.0 200 OK\r\n"
    "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK.0.1f.7.5be1a60c\r\n"
    "Via: SIP/2.0/UDP 192.0.2.17:5060;branch=z9hG4bK-524287-1---a3f1c9e7;rport=5060;received=192.0.2.17\r\n"
    "Record-Route: <sip:_abcdefgh.tokentoken@p2psip.org;lr>\r\n"
    "Contact: <sip:bob@192.0.2.33:5060>\r\n"
    "To: \"Bob\" <sip:bob@p2psip.org>;tag=5c1d\r\n"
    "From: \"Alice\" <sip:alice@p2psip.org>;tag=8f2a17b3\r\n"
    "Call-ID: 83120NTk4ZjI3NDk4NTA2ZmFkMWQ\r\n"
    "CSeq: 1 INVITE\r\n"
    "Content-Length: 0\r\n\r\n";

void must(benchmark::State& state, bool fine) {
  if (!fine) state.SkipWithError("the sample is refused");
}

void sip_parse_invite(benchmark::State& state) {
  static Message m;
  for (auto _ : state) {
    auto result = m.parse(kInvite);
    must(state, result.has_value());
    benchmark::DoNotOptimize(m.body().data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kInvite.size()));
}
BENCHMARK(sip_parse_invite);

void sip_parse_200(benchmark::State& state) {
  static Message m;
  for (auto _ : state) {
    auto result = m.parse(kOk);
    must(state, result.has_value());
    benchmark::DoNotOptimize(m.body().data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kOk.size()));
}
BENCHMARK(sip_parse_200);

void sip_frame_invite(benchmark::State& state) {
  StreamFramer framer;
  for (auto _ : state) {
    framer.feed(kInvite);
    must(state, framer.next().kind == FrameKind::message);
    must(state, framer.next().kind == FrameKind::more);
  }
}
BENCHMARK(sip_frame_invite);

void sip_parse_uri(benchmark::State& state) {
  std::string_view text = "sip:alice@192.0.2.17:5060;transport=udp;ob";
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    auto uri = parse_uri(text);
    must(state, uri.has_value());
    benchmark::DoNotOptimize(uri);
  }
}
BENCHMARK(sip_parse_uri);

void sip_parse_via(benchmark::State& state) {
  std::string_view text = "SIP/2.0/UDP 192.0.2.17:5060;branch=z9hG4bK-524287-1---a3f1c9e7;rport";
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    auto via = parse_via(text);
    must(state, via.has_value());
    benchmark::DoNotOptimize(via);
  }
}
BENCHMARK(sip_parse_via);

void sip_parse_from(benchmark::State& state) {
  std::string_view text = "\"Alice\" <sip:alice@p2psip.org>;tag=8f2a17b3";
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    auto from = parse_name_addr(text);
    must(state, from.has_value());
    benchmark::DoNotOptimize(from);
  }
}
BENCHMARK(sip_parse_from);

// What a record-routing proxy does to an INVITE.
void sip_rewrite_invite(benchmark::State& state) {
  static Message m;
  must(state, m.parse(kInvite).has_value());
  for (auto _ : state) {
    Rewrite edit(m);
    edit.replace_request_uri("sip:bob@192.0.2.33:5060");
    edit.replace(m.value(HeaderName::max_forwards), "69");
    edit.prepend(HeaderName::record_route, "<sip:_abcdefgh.tokentoken@p2psip.org;lr>");
    edit.prepend(HeaderName::record_route, "<sip:p2psip.org;lr>");
    edit.prepend(HeaderName::via, "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK.0.1f.7.5be1a60c");
    base::Buffer out = edit.build();
    must(state, out.size() > kInvite.size());
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(sip_rewrite_invite);

// What it does to a response.
void sip_rewrite_200(benchmark::State& state) {
  static Message m;
  must(state, m.parse(kOk).has_value());
  for (auto _ : state) {
    Rewrite edit(m);
    edit.remove_first_value(HeaderName::via);
    base::Buffer out = edit.build();
    must(state, out.size() < kOk.size());
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(sip_rewrite_200);

void sip_make_response(benchmark::State& state) {
  static Message m;
  must(state, m.parse(kInvite).has_value());
  for (auto _ : state) {
    base::Buffer out = make_response(m, 100, "", "");
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(sip_make_response);

}  // namespace
}  // namespace causeway::sip
