// What a stranger says in SDP, as the other side gets it: can be read again, and names no address but ours.
#include "anchor/descriptions.h"

#include <cstdlib>

#include "base/encoding.h"

using namespace causeway;

namespace {

const net::Address kOurs{net::Ip::v4(0xc0000201), 20000};

ua::LocalMedia make_local() {
  ua::LocalMedia local;
  local.fingerprint = "sha-256 0A";
  for (int i = 1; i < 32; ++i) local.fingerprint += ":0A";
  local.credentials = {"abcd", "0123456789012345678901"};
  local.candidates = {{"1", 1, 100, kOurs, ua::Candidate::Type::host, {}}};
  local.default_rtp = kOurs;
  return local;
}

std::string check(const anchor::Said& said, ua::SessionDescription changed) {
  std::string text = anchor::Numbering(1).write(std::move(changed));
  const auto again = ua::parse_sdp(text);
  if (!again || again->media.size() != said.description.media.size()) std::abort();
  for (std::size_t i = 0; i < again->media.size(); ++i) {
    const ua::MediaSection& section = again->media[i];
    if (again->connection_for(section) != kOurs.ip) std::abort();
    if (section.port != (i == said.section ? kOurs.port : 0)) std::abort();
    for (const std::string_view candidate : section.values("candidate"))
      if (candidate != ua::write(make_local().candidates[0])) std::abort();
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ua::LocalMedia local = make_local();
  const std::string_view text = base::as_text({data, size});
  if (const auto phone = anchor::read_phone(text, nullptr)) {
    check(*phone, anchor::for_world(*phone, local, nullptr));
    if (const auto answer = anchor::read_world(text, local, &*phone))
      check(*answer, anchor::for_phone(*answer, kOurs, &*phone));
  }
  if (const auto world = anchor::read_world(text, local, nullptr)) {
    const std::string heard = check(*world, anchor::for_phone(*world, kOurs, nullptr));
    if (const auto answer = anchor::read_phone(heard, &*world))
      check(*answer, anchor::for_world(*answer, local, &*world));
  }
  return 0;
}
