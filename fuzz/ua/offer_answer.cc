// An offer or an answer of a stranger, with candidates: what is read of it is safe, and can be answered.
#include "ua/offer_answer.h"

#include <cstdlib>

#include "base/encoding.h"
#include "ua/limits.h"

using namespace causeway;

namespace {

ua::LocalMedia make_local(ua::Keying keying) {
  ua::LocalMedia local;
  local.codecs = {
      {111, "opus", 48000, 2, {}}, {0, "PCMU", 8000, 1, {}}, {101, "telephone-event", 8000, 1, {}}};
  local.keying = keying;
  local.fingerprint = "sha-256 0A";
  for (int i = 1; i < 32; ++i) local.fingerprint += ":0A";
  local.credentials = {"abcd", "0123456789012345678901"};
  local.candidates = {{"1", 1, 100, {net::Ip::v4(0xc0000201), 4000}, ua::Candidate::Type::host, {}}};
  local.default_rtp = local.candidates[0].address;
  return local;
}

void check(const ua::RemoteMedia& remote) {
  if (remote.candidates.size() > ua::limits::kMaxCandidates) std::abort();
  if (remote.ice_pacing > ua::limits::kMaxIcePacing) std::abort();
  if (remote.codecs.empty() || remote.codecs.size() > ua::limits::kMaxPayloads) std::abort();
  if (remote.rtp.port != 0 && !ua::is_destination(remote.rtp)) std::abort();
  if (remote.rtcp && !ua::is_destination(*remote.rtcp)) std::abort();
  for (const ua::Candidate& candidate : remote.candidates)
    if (!ua::is_destination(candidate.address) || ua::parse_candidate(ua::write(candidate)) != candidate)
      std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ua::LocalMedia plain = make_local(ua::Keying::plain), dtls = make_local(ua::Keying::dtls_srtp);
  const std::string_view text = base::as_text({data, size});
  (void)ua::parse_candidate(text);
  for (const ua::LocalMedia* local : {&plain, &dtls}) {
    if (const auto answer = ua::read_answer(text, *local)) check(*answer);
    const auto offer = ua::read_offer(text, *local);
    if (!offer) continue;
    check(*offer);
    // The other side can read what it is answered, if it is anything like this one.
    const auto heard = ua::read_answer(ua::make_answer(*local, *offer, text, 1, 1), *local);
    if (heard) check(*heard);
  }
  return 0;
}
