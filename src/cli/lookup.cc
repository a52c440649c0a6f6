// causeway lookup URI: all that the overlay holds under a URI, valid or not, asked through the
// running peer; of relays also which of them answer, the nearest first.
#include <CLI/CLI.hpp>

#include "cli/ask.h"
#include "cli/cli.h"
#include "peer/config.h"

namespace causeway::cli {

namespace {

struct Options {
  std::string uri, socket = peer::default_control_socket();
  bool json = false;
};

void print_contact(const nlohmann::json& c) {
  fmt::print("    phone {} at peer {} ({}), q {}, for {} more s\n", c["instance"].get<std::string>(),
             c["home"].get<std::string>(), c["links"].dump(), c["q"].get<double>(),
             c["expires_in_s"].get<std::int64_t>());
}

void print_record(const nlohmann::json& r) {
  fmt::print("{} record, {} bytes: {}\n", r.value("kind", "unknown"), r["bytes"].get<std::size_t>(),
             r["valid"].get<bool>() ? "passes the one rule" : "REFUSED: " + r["why"].get<std::string>());
  if (r["valid"].get<bool>()) {
    fmt::print("    signed by {}, {} s old, for {} more s{}\n", r["signer"].get<std::string>(),
               r["age_s"].get<std::int64_t>(), r["expires_in_s"].get<std::int64_t>(),
               r["tombstone"].get<bool>() ? ", a tombstone: withdrawn" : "");
    for (const auto& contact : r.value("contacts", nlohmann::json::array())) print_contact(contact);
    if (r.contains("service"))
      fmt::print("    links {}, endpoints {}, load {} of {}\n", r["service"]["links"].dump(),
                 r["service"]["endpoints"].dump(), r["service"]["load"].dump(),
                 r["service"]["capacity"].dump());
    if (r.contains("links")) fmt::print("    links {}\n", r["links"].dump());
  }
  fmt::print("    held by {}\n", r["holders"].dump());
}

void print_relay(const nlohmann::json& relay) {
  fmt::print("relay {}: round trip {} ms, load {} of {}\n", relay["peer"].get<std::string>(),
             relay["round_trip_ms"].get<std::int64_t>(), relay["load"].get<std::int64_t>(),
             relay["capacity"].get<std::int64_t>());
  for (const auto& uri : relay["uris"]) fmt::print("    {}\n", uri.get<std::string>());
}

base::Result<int> run_lookup(const Options& o) {
  auto answer = ask(o.socket, {{"command", "lookup"}, {"uri", o.uri}});
  if (!answer) return std::unexpected(answer.error());
  if (o.json) {
    fmt::print("{}\n", answer->dump(2));
    return 0;
  }
  const bool of_relays = answer->contains("relays");
  const auto relays = answer->value("relays", nlohmann::json::array());
  for (const auto& relay : relays) print_relay(relay);
  const auto& records = (*answer)["records"];
  fmt::print("{}: {} record{}\n", (*answer)["uri"].get<std::string>(), records.size(),
             records.size() == 1 ? "" : "s");
  for (const auto& record : records) print_record(record);
  return (of_relays ? relays : records).empty() ? 1 : 0;
}

}  // namespace

void add_lookup(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  auto* sub = app.add_subcommand("lookup", "what the overlay holds under a URI");
  sub->add_option("uri", options->uri, "sip:alice@D, sip:D (proxy peers), turn:D (relays), sip:_PEERID@D")
      ->required();
  sub->add_option("--socket", options->socket, "the control socket of a running peer")->capture_default_str();
  sub->add_flag("--json", options->json, "as JSON");
  sub->callback([&run, options] { run = [options] { return run_lookup(*options); }; });
}

}  // namespace causeway::cli
