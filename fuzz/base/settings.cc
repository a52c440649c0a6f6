// A settings file of any bytes is read or refused with an error that names the file.
#include "base/settings.h"

#include <cstdint>
#include <cstdlib>

using namespace causeway::base;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string domain = "example.org", role = "proxy";
  std::int64_t port = 5060;
  bool open = false;
  Duration expiry = 1h;
  std::vector<std::string> udp;
  SettingsTable table({text_setting("domain", "the domain", domain),
                       number_setting("sip.port", "port", port, 1, 65535),
                       list_setting("sip.udp", "addresses", udp, "address:port", {}),
                       flag_setting("registrar.open", "open", open),
                       duration_setting("registrar.expiry", "expiry", expiry, 1min, 24h),
                       choice_setting("registrar.role", "role", role, {"registrar", "proxy"})});
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Status status = table.read_text(text, "peer.toml");
  if (!status && !status.error().message.starts_with("peer.toml:")) std::abort();
  if (port < 1 || port > 65535 || expiry < 1min || expiry > 24h) std::abort();
  return 0;
}
