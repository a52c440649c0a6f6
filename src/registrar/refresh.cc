#include "registrar/refresh.h"

#include "sip/hash.h"

namespace causeway::registrar {

using sip::HeaderName;

std::uint64_t what_is_asked(const sip::Message& request, const sip::Flow& flow, std::uint64_t seed) {
  const auto* contact = request.first(HeaderName::contact);
  if (!contact || request.next(*contact)) return 0;
  std::uint64_t hash = sip::keyed_hash(request.value(*contact), seed);
  const auto add = [&](std::string_view text) { hash = sip::keyed_hash(text, hash); };
  for (const HeaderName name : {HeaderName::expires, HeaderName::path, HeaderName::supported}) {
    for (const auto* field = request.first(name); field; field = request.next(*field))
      add(request.value(*field));
    add({});
  }
  const std::string_view via = request.value(HeaderName::via);
  add(via.substr(0, via.find(';')));
  const std::uint64_t numbers[] = {
      flow.connection, std::uint64_t{flow.remote.port} << 32 | std::uint64_t{flow.socket} << 16 |
                           static_cast<std::uint64_t>(flow.transport) << 2 | std::uint64_t{flow.member} << 1 |
                           std::uint64_t{flow.remote.ip.is_v4()}};
  add({reinterpret_cast<const char*>(numbers), sizeof numbers});
  const auto& ip = flow.remote.ip.bytes();
  add({reinterpret_cast<const char*>(ip.data()), ip.size()});
  return hash ? hash : 1;
}

std::string_view usual_user(std::string_view to, std::string_view domain) {
  constexpr std::string_view kBegin = "<sip:";
  if (!to.starts_with(kBegin) || to.size() < kBegin.size() + domain.size() + 2) return {};
  to.remove_prefix(kBegin.size());
  const std::size_t at = to.size() - domain.size() - 2;  // of "@p2psip.org>"
  if (to[at] != '@' || to.back() != '>' || !sip::same_text(to.substr(at + 1, domain.size()), domain))
    return {};
  return to.find_first_of("@:%>") == at ? to.substr(0, at) : std::string_view();
}

}  // namespace causeway::registrar
