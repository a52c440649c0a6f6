// Names that strangers and members write: domains, user parts, overlay URIs, PEERIDs in host names.
#include <cstdlib>

#include "identity/bundle.h"
#include "identity/sealing.h"

using namespace causeway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = base::as_text({data, size});
  if (const auto domain = identity::parse_domain(text)) {
    if (identity::parse_domain(*domain) != *domain) std::abort();
    if (domain->size() > identity::limits::kMaxDomain) std::abort();
  }
  if (identity::is_user_part(text)) {
    if (text.empty() || text.front() == '_' || text.size() > identity::limits::kMaxUserPart) std::abort();
    const auto uri = "sip:" + std::string(text) + "@p2psip.org";
    const auto read = identity::parse_overlay_uri(uri);
    if (!read || read->user != text || read->domain != "p2psip.org") std::abort();
  }
  if (const auto uri = identity::parse_overlay_uri(text)) {
    const auto whole = std::string(uri->scheme) + ":" + std::string(uri->user) +
                       (uri->user.empty() ? "" : "@") + std::string(uri->domain);
    if (whole != text) std::abort();  // normal form: one text for each name
  }
  if (const auto peer = identity::peer_of_host(text, "p2psip.org"))
    if (identity::peer_of_host(identity::peer_host(*peer, "p2psip.org"), "p2psip.org") != *peer) std::abort();
  if (const auto peer = identity::PeerId::parse(text); peer && identity::PeerId::parse(peer->text()) != *peer)
    std::abort();
  if (const auto role = identity::parse_role(text); role && identity::role_name(*role) != text) std::abort();
  (void)identity::check_bootstrap({std::string(text)});
  (void)identity::instance_hash(text);
  return 0;
}
