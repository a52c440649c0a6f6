#include "peer/config.h"

#include <cstdlib>
#include <set>

#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "net/address.h"
#include "net/address_policy.h"
#include "sip/digest.h"

namespace causeway::peer {

namespace {

using base::Setting;
using base::Status;

Status check_endpoint(std::string_view text) {
  auto endpoint = net::Endpoint::parse(text);
  if (!endpoint) return std::unexpected(endpoint.error());
  return {};
}

Status check_address(std::string_view text) {
  auto address = net::Address::parse(text);
  if (!address) return std::unexpected(address.error());
  return {};
}

Status check_digest(std::string_view text) {
  if (!sip::parse_digest_name(text)) return base::fail("expected MD5 or SHA-256, found '{}'", text);
  return {};
}

Status check_host_port(std::string_view text) {
  if (auto colon = text.rfind(':'); colon == std::string_view::npos || colon == 0 || colon + 1 == text.size())
    return base::fail("expected host:port, found '{}'", text);
  return {};
}

// An address setting that may also be empty.
Setting address_setting(std::string key, std::string help, std::string& to) {
  Setting row = base::text_setting(std::move(key), std::move(help), to, "address:port");
  row.set = [&to](std::string_view text) -> Status {
    if (auto fine = text.empty() ? Status{} : check_address(text); !fine) return fine;
    to = text;
    return {};
  };
  return row;
}

Status check_range(std::string_view text) {
  auto range = net::Range::parse(text);
  if (!range) return std::unexpected(range.error());
  return {};
}

Status check_ip(std::string_view text) {
  if (!net::Ip::parse(text)) return base::fail("expected an address such as 192.0.2.1, found '{}'", text);
  return {};
}

// TURN over TLS has a port of its own (RFC 8656 3), so each names its port.
void add_relay_settings(Config& c, std::vector<Setting>& rows) {
  rows.push_back(base::list_setting(
      "relay.listen", "where TURN clients reach the relay of a peer with that role; empty: it has none",
      c.relay_listen, "udp|tcp|tls:address:port", check_endpoint));
  rows.push_back(
      base::list_setting("relay.addresses",
                         "where relayed ports are opened, one address of a family; empty: where this "
                         "machine sends from",
                         c.relay_addresses, "address", check_ip));
  rows.push_back(base::list_setting(
      "relay.advertise",
      "what clients are told instead of relay.addresses, behind a NAT that maps one to one",
      c.relay_advertise, "address", check_ip));
  rows.push_back(base::number_setting("relay.first_port", "lowest port that is relayed through",
                                      c.relay_first_port, 1024, 65535));
  rows.push_back(base::number_setting("relay.last_port", "highest port that is relayed through",
                                      c.relay_last_port, 1024, 65535));
  rows.push_back(base::text_setting(
      "relay.certificate", "certificate shown to TURN clients on tls: listeners; empty: sip.certificate",
      c.relay_certificate, "path of a PEM file"));
  rows.push_back(
      base::text_setting("relay.key", "private key of relay.certificate", c.relay_key, "path of a PEM file"));
  rows.push_back(
      base::text_setting("relay.secret",
                         "lets in who can make user names EXPIRY:USER with password "
                         "base64(HMAC-SHA1(secret, user name)), beside relay tokens; empty: nobody",
                         c.relay_secret));
  rows.push_back(base::list_setting(
      "relay.allow",
      "ranges that may be relayed to although they are private or this machine's own; media of phones with "
      "media = \"anchor\" may go there too",
      c.relay_allow, "address/bits", check_range));
  rows.push_back(base::number_setting("relay.max_allocations", "allocations, all together",
                                      c.relay_allocations, 1, 1'000'000));
  rows.push_back(base::number_setting("relay.user_allocations", "allocations of one user",
                                      c.relay_user_allocations, 1, 1'000'000));
  rows.push_back(base::number_setting("relay.bytes_per_second",
                                      "bytes relayed a second, all together; 0: any number", c.relay_bytes, 0,
                                      100'000'000'000));
  rows.push_back(base::number_setting("relay.user_bytes_per_second",
                                      "bytes relayed a second for one user; 0: any number",
                                      c.relay_user_bytes, 0, 100'000'000'000));
  rows.push_back(
      base::duration_setting("relay.max_lifetime", "an allocation must be refreshed after this at the latest",
                             c.relay_max_lifetime, std::chrono::minutes(1), std::chrono::hours(24)));
  rows.push_back(
      base::number_setting("relay.stranger_answers",
                           "answers a second to one address that has proved nothing, and user names checked "
                           "for it",
                           c.relay_stranger_answers, 1, 1'000'000));
}

void add_anchor_settings(Config& c, std::vector<Setting>& rows) {
  rows.push_back(base::number_setting(
      "anchor.max_calls", "calls of phones with media = \"anchor\" in their account, all together",
      c.anchor_calls, 0, 100'000));
  rows.push_back(
      base::number_setting("anchor.user_calls", "such calls of one user", c.anchor_user_calls, 1, 100'000));
  rows.push_back(base::number_setting("anchor.first_port",
                                      "lowest UDP port at which such phones reach this peer with their media",
                                      c.anchor_first_port, 1024, 65534));
  rows.push_back(base::number_setting("anchor.last_port", "highest such port; a call takes two",
                                      c.anchor_last_port, 1025, 65535));
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

base::SettingsTable settings(Config& c) {
  using namespace std::chrono_literals;
  std::vector<Setting> rows;
  rows.push_back(base::text_setting("peer.bundle", "the bundle that the authority wrote for this peer",
                                    c.bundle, "path"));
  rows.push_back(base::text_setting(
      "peer.state", "folder for what is kept over a restart (known nodes); empty: nothing is kept",
      c.state_dir, "path"));
  rows.push_back(
      base::number_setting("peer.workers",
                           "threads that handle SIP, on the same ports; more than one only where calls "
                           "take more than a core",
                           c.workers, 1, limits::kMaxWorkers));
  rows.push_back(base::choice_setting("peer.reachable",
                                      "whether other peers reach this one at overlay.listen (or "
                                      "overlay.advertise); no: it is reached through two "
                                      "public peers, and offers nothing to others; auto: it finds out",
                                      c.reachable, {"auto", "yes", "no"}));
  rows.push_back(base::text_setting(
      "peer.control", "local socket on which `causeway status` and `causeway lookup` ask; empty: none",
      c.control_socket, "path"));

  rows.push_back(base::list_setting("sip.listen", "where phones and other SIP domains reach this peer",
                                    c.sip_listen, "udp|tcp|tls:address:port", check_endpoint));
  rows.push_back(base::text_setting("sip.advertise",
                                    "host or host:port to put into Via instead of the address listened on",
                                    c.sip_advertise, "host[:port]"));
  rows.push_back(base::text_setting(
      "sip.certificate", "certificate shown to phones and other domains on tls: listeners, with its chain",
      c.sip_certificate, "path of a PEM file"));
  rows.push_back(
      base::text_setting("sip.key", "private key of sip.certificate", c.sip_key, "path of a PEM file"));
  rows.push_back(base::text_setting(
      "sip.ca", "who is trusted to sign the certificates of other domains; empty: the system's list",
      c.sip_ca, "path of a PEM file"));
  rows.push_back(base::flag_setting("sip.verify", "other domains must prove their name over TLS (RFC 5922)",
                                    c.sip_verify));
  rows.push_back(base::number_setting("sip.stranger_answers",
                                      "answers a second that this peer itself gives over UDP to one address "
                                      "that has proved nothing (whose it "
                                      "is could be a lie), ten times as many after a proof; 0: any number",
                                      c.sip_stranger_answers, 0, 100'000));
  rows.push_back(base::number_setting("sip.max_connections",
                                      "connections that one listener keeps; for one more, the one that was "
                                      "silent for the longest time is closed",
                                      c.sip_connections, 1, 1'000'000));
  rows.push_back(
      base::number_setting("sip.max_connections_per_source",
                           "of these, connections of one IPv4 address or one /64; more are refused",
                           c.sip_connections_per_source, 1, 1'000'000));

  rows.push_back(base::duration_setting(
      "overload.target",
      "new calls are refused (503) while requests wait longer than this to be read; 0s: never",
      c.overload_target, 0ms, sip::limits::kMaxOverloadTarget));
  rows.push_back(base::number_setting("overload.max_transactions",
                                      "server transactions at one time, each below 1 kB; more requests get "
                                      "503. A call takes 2 of them for 32 seconds",
                                      c.overload_transactions, 1000, 10'000'000));

  rows.push_back(address_setting(
      "overlay.listen", "the overlay (UDP) and the links between peers (TLS over TCP), on one port number",
      c.overlay_listen));
  rows.push_back(address_setting("overlay.advertise",
                                 "what other peers are told to dial instead of overlay.listen",
                                 c.overlay_advertise));
  rows.push_back(base::list_setting("overlay.bootstrap",
                                    "peers to ask first, beside those named in the bundle",
                                    c.overlay_bootstrap, "host:port", check_host_port));
  rows.push_back(base::duration_setting(
      "overlay.join_jitter",
      "a peer that knows many others from its last run waits up to this long, by chance, before it joins",
      c.overlay_join_jitter, 0ms, 60s));
  rows.push_back(base::number_setting("overlay.max_stored",
                                      "megabytes of records held for the overlay; of one member half of it",
                                      c.overlay_stored_mb, 1, 100'000));
  rows.push_back(base::number_setting("overlay.max_cached_users",
                                      "users whose records are remembered while they are being called",
                                      c.overlay_cached_users, 100, 100'000'000));

  rows.push_back(base::text_setting(
      "registrar.accounts",
      "file with the phones' accounts; empty: accounts.toml beside the bundle, else those in the bundle",
      c.accounts_file, "path"));
  rows.push_back(base::number_setting("registrar.min_expires",
                                      "shortest registration granted, in seconds; below it: 423",
                                      c.register_min, 1, 86400));
  rows.push_back(base::number_setting("registrar.default_expires",
                                      "granted when the phone asks for nothing, in seconds",
                                      c.register_default, 1, 604800));
  rows.push_back(base::number_setting("registrar.max_expires", "longest registration granted, in seconds",
                                      c.register_max, 1, 604800));
  rows.push_back(base::number_setting("registrar.max_contacts", "phones of one user registered at this peer",
                                      c.register_contacts, 1, overlay::limits::kMaxContacts));
  rows.push_back(base::number_setting("registrar.max_bindings",
                                      "phones registered at this peer (about a kilobyte each); more get 503",
                                      c.register_bindings, 1, 100'000'000));

  rows.push_back(base::list_setting("registrar.digest",
                                    "digest algorithms phones are offered, the preferred first; many phones "
                                    "give up at SHA-256, even beside MD5",
                                    c.register_digest, "MD5 or SHA-256", check_digest));

  rows.push_back(base::number_setting("proxy.max_forks",
                                      "phones of one user, at all peers, that one request is sent to",
                                      c.proxy_forks, 1, 64));

  add_relay_settings(c, rows);
  add_anchor_settings(c, rows);

  rows.push_back(base::list_setting("dns.servers", "name servers to ask; empty: those of /etc/resolv.conf",
                                    c.dns_servers, "address or address@port", {}));
  rows.push_back(base::flag_setting("dns.dnssec", "refuse DNS answers that fail DNSSEC", c.dns_dnssec));
  rows.push_back(base::duration_setting("dns.max_ttl", "DNS answers are kept no longer than this",
                                        c.dns_max_ttl, 0ms, 24h));

  rows.push_back(base::choice_setting("log.level", "what is logged to standard error", c.log_level,
                                      {"trace", "debug", "info", "warn", "error", "off"}));
  rows.push_back(base::text_setting("trace.file",
                                    "SIP between peers, one JSON line a message, appended; empty: none",
                                    c.trace_file, "path"));
  return base::SettingsTable(std::move(rows));
}

base::Status check(const Config& c) {
  std::set<std::string> seen;
  for (const std::string& listen : c.sip_listen) {
    if (!seen.insert(listen).second) return base::fail("sip.listen: '{}' is there twice", listen);
    if (listen.starts_with("tls") && (c.sip_certificate.empty() || c.sip_key.empty()))
      return base::fail("sip.listen: '{}' needs sip.certificate and sip.key", listen);
  }
  if (c.relay_first_port > c.relay_last_port)
    return base::fail("relay.first_port: expected at most relay.last_port ({}), found {}", c.relay_last_port,
                      c.relay_first_port);
  if (c.anchor_first_port >= c.anchor_last_port)
    return base::fail("anchor.first_port: expected less than anchor.last_port ({}), found {}",
                      c.anchor_last_port, c.anchor_first_port);
  if (c.relay_certificate.empty() != c.relay_key.empty())
    return base::fail("relay.certificate and relay.key: expected both or neither");
  for (const std::string& listen : c.relay_listen)
    if (listen.starts_with("tls") && c.relay_certificate.empty() && c.sip_certificate.empty())
      return base::fail("relay.listen: '{}' needs relay.certificate and relay.key", listen);
  if (c.register_min > c.register_max)
    return base::fail("registrar.min_expires: expected at most registrar.max_expires ({}), found {}",
                      c.register_max, c.register_min);
  if (c.register_default < c.register_min || c.register_default > c.register_max)
    return base::fail("registrar.default_expires: expected {} to {}, found {}", c.register_min,
                      c.register_max, c.register_default);
  return {};
}

std::string default_control_socket() {
  if (geteuid() == 0) return "/run/causeway.sock";
  std::string runtime = environment("XDG_RUNTIME_DIR");
  return runtime.empty() ? fmt::format("/tmp/causeway-{}.sock", geteuid()) : runtime + "/causeway.sock";
}

std::string default_state_dir() {
  if (geteuid() == 0) return "/var/lib/causeway";
  std::string state = environment("XDG_STATE_HOME");
  return state.empty() ? environment("HOME") + "/.local/state/causeway" : state + "/causeway";
}

}  // namespace causeway::peer
