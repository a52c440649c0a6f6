// What a REGISTER asks for: accepted, it is within every limit.
#include <cstdlib>

#include "base/limits.h"
#include "registrar/register_request.h"

using namespace causeway;
namespace limits = causeway::registrar::limits;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static sip::Message message;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!message.parse(text) || !message.is_request()) return 0;
  const auto asked = registrar::read_register(message, "p2psip.org", {60, 3600, 86400});
  const auto user = registrar::read_user(message, "p2psip.org");
  if (asked && (!user || *user != asked->user)) std::abort();
  if (!asked) {
    if (asked.error().status < 400 || asked.error().status > 499) std::abort();
    return 0;
  }
  if (asked->user.empty() || asked->user.front() == '_' || asked->user.size() > limits::kMaxUser)
    std::abort();
  if (asked->contacts.size() > limits::kMaxContactsInRequest) std::abort();
  if (asked->path.empty() != !message.has(sip::HeaderName::path)) std::abort();
  if (asked->remove_all && !asked->contacts.empty()) std::abort();
  for (const auto& contact : asked->contacts) {
    if (contact.uri_text.size() > limits::kMaxContactUri || contact.instance.size() > limits::kMaxInstance)
      std::abort();
    if (contact.expires != 0 && (contact.expires < 60 || contact.expires > 86400)) std::abort();
    if (contact.q > 1000 || !contact.uri.is_sip) std::abort();
  }
  return 0;
}
