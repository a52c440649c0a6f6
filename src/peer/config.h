// The configuration of one peer: every setting once, in one table (config.cc), from which the parser,
// `causeway peer --help`, the sample file and docs/settings.md come.
//
// Precedence: defaults, then the file given by -c, then --set KEY=VALUE in the order written.
#pragma once

#include <string>
#include <vector>

#include "anchor/limits.h"
#include "base/limits.h"
#include "base/settings.h"

namespace causeway::peer {

struct Config {
  // Who this peer is.
  std::string bundle;         // path of the bundle that the authority wrote
  std::string accounts_file;  // path; empty: the accounts inside the bundle

  // SIP towards phones and providers.
  std::vector<std::string> sip_listen{"udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"};
  std::string sip_advertise;             // host[:port] for Via if it is not the address listened on
  std::string sip_certificate, sip_key;  // PEM files; needed for tls: listeners
  std::string sip_ca;                    // PEM file; empty: the system's
  bool sip_verify = true;
  std::int64_t sip_stranger_answers = 50;  // a second, to one source
  std::int64_t sip_connections = net::limits::kMaxAccepted;
  std::int64_t sip_connections_per_source = net::limits::kMaxAcceptedPerSource;

  // The overlay, and the TLS links between peers: one port number, UDP and TCP.
  std::string overlay_listen = "0.0.0.0:7400";
  std::string overlay_advertise;  // address:port for other peers if it is not the one listened on
  std::vector<std::string> overlay_bootstrap;  // beside those in the bundle
  base::Duration overlay_join_jitter = std::chrono::seconds(1);
  std::int64_t overlay_stored_mb = overlay::limits::kMaxStored >> 20;
  std::int64_t overlay_cached_users = overlay::limits::kMaxCachedUsers;

  base::Duration overload_target = std::chrono::milliseconds(20);  // zero: overload is not looked for
  std::int64_t overload_transactions = sip::limits::kMaxServerTransactions;

  std::int64_t register_min = 60, register_default = 3600, register_max = 86400;  // seconds
  std::int64_t register_contacts = overlay::limits::kMaxContacts;
  std::int64_t register_bindings = registrar::limits::kMaxBindings;
  std::int64_t proxy_forks = proxy::limits::kMaxForks;
  // RFC 8760 asks for SHA-256 before MD5, but phones in wide use (baresip 1.0, SIPp) give up at a
  // challenge that names SHA-256, even with an MD5 one beside it.
  std::vector<std::string> register_digest{"MD5"};

  // The relay, of peers that have the role.
  std::vector<std::string> relay_listen{"udp:0.0.0.0:3478", "tcp:0.0.0.0:3478"};
  std::vector<std::string>
      relay_addresses;  // relayed ports are opened here; empty: where the machine sends from
  std::vector<std::string> relay_advertise;  // what clients are told instead
  std::int64_t relay_first_port = 49152, relay_last_port = 65535;
  std::string relay_certificate, relay_key;  // empty: sip_certificate, sip_key
  std::string relay_secret;                  // of time-limited user names; empty: none
  std::vector<std::string> relay_allow;      // ranges beyond what the address policy lets through
  std::int64_t relay_allocations = 10000, relay_user_allocations = 32;
  std::int64_t relay_bytes = 0, relay_user_bytes = 0;  // a second; 0: any number
  base::Duration relay_max_lifetime = std::chrono::hours(1);
  std::int64_t relay_stranger_answers = 200;  // a second, to one source

  // Media of phones that have this peer find its way.
  std::int64_t anchor_calls = anchor::limits::kMaxCalls, anchor_user_calls = anchor::limits::kMaxUserCalls;
  std::int64_t anchor_first_port = 20000, anchor_last_port = 29999;

  std::vector<std::string> dns_servers;  // empty: /etc/resolv.conf
  bool dns_dnssec = false;
  base::Duration dns_max_ttl = std::chrono::hours(1);

  // Whether other peers reach this one: "auto" finds out.
  std::string reachable = "auto";
  std::int64_t workers = 1;
  // One worker's share of what the peer may have.
  std::size_t share(std::int64_t all) const {
    return static_cast<std::size_t>((all + workers - 1) / workers);
  }
  std::string state_dir;       // saved nodes; empty: nothing is kept
  std::string control_socket;  // empty: none
  std::string log_level = "info";
  std::string trace_file;  // SIP over peer links, one JSON line a message; empty: none

  // Not settings: only `causeway try` sets them.
  bool open_registration = false;
};

// The table over `config`, which must outlive it.
base::SettingsTable settings(Config& config);

// Checks what single values cannot show: listeners that clash, tls without a certificate.
base::Status check(const Config& config);

// Where `causeway peer` puts, and `causeway status` looks for, the control socket and the state when
// nobody says otherwise.
std::string default_control_socket();
std::string default_state_dir();

}  // namespace causeway::peer
