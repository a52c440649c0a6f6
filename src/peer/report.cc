#include "peer/report.h"

#include <nlohmann/json.hpp>

#include "sip/uri.h"

namespace causeway::peer {

namespace {

using nlohmann::json;

// What others have written need not be UTF-8.
std::string line(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

template <class List>
json texts(const List& list) {
  json all = json::array();
  for (const auto& one : list) all.push_back(one.text());
  return all;
}

json contact_json(const overlay::UserContact& c, base::UnixMs now) {
  return {{"instance", fmt::format("{:016x}", c.instance)},
          {"home", c.home.text()},
          {"links", texts(c.endpoints)},
          {"token", c.token},
          {"q", c.q / 1000.0},
          {"registered_ago_s", (now - c.registered) / 1000},
          {"expires_in_s", (c.expiry - now) / 1000}};
}

// The public peers through which the signer is reached.
void add_vias(json& to, const std::vector<overlay::ViaPeer>& vias) {
  for (const auto& via : vias) to["via"].push_back({{"peer", via.peer.text()}, {"links", texts(via.links)}});
}

void add_body(json& to, const overlay::Record& record, base::UnixMs now) {
  if (record.is_tombstone()) return;
  switch (record.kind) {
    case overlay::Kind::user:
      if (auto body = overlay::decode_user(record.body)) {
        to["contacts"] = json::array();
        add_vias(to, body->vias);
        for (const auto& contact : body->contacts) to["contacts"].push_back(contact_json(contact, now));
      }
      break;
    case overlay::Kind::service:
      if (auto body = overlay::decode_service(record.body))
        to["service"] = {{"peer", body->peer.text()},
                         {"links", texts(body->links)},
                         {"endpoints", texts(body->endpoints)},
                         {"capacity", body->capacity},
                         {"load", body->load}};
      break;
    case overlay::Kind::peer:
      if (auto body = overlay::decode_peer(record.body)) {
        to["links"] = texts(body->links);
        add_vias(to, body->vias);
      }
      break;
  }
}

json record_json(const overlay::Engine::Found& found, base::UnixMs now) {
  json r = {
      {"bytes", found.encoded.size()}, {"holders", found.holders}, {"valid", found.checked.has_value()}};
  if (!found.checked) {
    r["why"] = found.checked.error().message;
    return r;
  }
  const overlay::Record& record = *found.checked;
  r["kind"] = overlay::kind_name(record.kind);
  r["signer"] = record.signer().text();
  r["sequence"] = record.sequence;
  r["age_s"] = (now - record.sequence) / 1000;
  r["expires_in_s"] = (record.expiry - now) / 1000;
  r["tombstone"] = record.is_tombstone();
  add_body(r, record, now);
  return r;
}

json worker_json(const WorkerFigures& w) {
  return {{"worker", w.worker},
          {"cpu_s", w.cpu_seconds},
          {"connections", w.connections},
          {"server_transactions", w.server_transactions},
          {"client_transactions", w.client_transactions},
          {"calls_in_setup", w.calls_in_setup},
          {"bindings", w.bindings},
          {"overload",
           {{"on", w.overload.on},
            {"waited_ms", static_cast<double>(w.overload.waited.count()) / 1000},
            {"admitted_percent", w.overload.admitted_percent}}}};
}

// Nothing if this peer has none.
json relay_json(const relay::Relay* relay, json& counters) {
  if (!relay) return nullptr;
  const relay::Relay::Status now = relay->status();
  for (const auto& [name, value] : now.counters) counters[name] = value;
  return {{"listening", texts(relay->listening())},
          {"allocations", now.allocations},
          {"users", now.users},
          {"draining", now.draining}};
}

json near_json(const overlay::Near& near) {
  json uris = json::array();
  for (const net::Endpoint& endpoint : near.body.endpoints) uris.push_back(turn_uri(endpoint));
  return {{"peer", near.body.peer.text()},
          {"uris", uris},
          {"capacity", near.body.capacity},
          {"load", near.body.load},
          {"round_trip_ms", near.round_trip.count()}};
}

}  // namespace

std::string report_error(std::string_view sentence) { return line(json{{"error", sentence}}); }

std::string overload_warning(const WorkerFigures& worker) {
  return fmt::format(
      "worker {} has been in overload for {} s: requests wait {} ms to be read, {} % of new calls are taken",
      worker.worker, worker.overload.since / std::chrono::seconds(1),
      worker.overload.waited / std::chrono::milliseconds(1), worker.overload.admitted_percent);
}

std::string report_done() { return line(json::object()); }

std::string report_lookup(std::string_view uri, const std::vector<overlay::Engine::Found>& found,
                          const std::vector<overlay::Near>* near, base::UnixMs now) {
  json records = json::array();
  for (const auto& one : found) records.push_back(record_json(one, now));
  json all{{"uri", uri}, {"records", records}};
  if (near) {
    all["relays"] = json::array();
    for (const overlay::Near& one : *near) all["relays"].push_back(near_json(one));
  }
  return line(all);
}

std::string report_tokens(const TokensGiven& given) {
  json relays = json::array();
  for (const TokensGiven::One& one : given.relays) {
    relays.push_back(near_json(one.relay));
    relays.back()["password"] = one.password;
  }
  return line(json{{"uri", given.uri},
                   {"username", given.username},
                   {"realm", given.realm},
                   {"expiry", given.expiry / 1000},
                   {"relays", relays}});
}

std::string report_status(const StatusParts& p) {
  json roles = json::array();
  for (identity::Role role : p.roles) roles.push_back(identity::role_name(role));
  auto health = p.overlay.health();
  WorkerFigures sum;
  json workers = json::array(), counters = json::object();
  for (const WorkerFigures& w : p.workers) {
    workers.push_back(worker_json(w));
    sum.connections += w.connections;
    sum.server_transactions += w.server_transactions;
    sum.client_transactions += w.client_transactions;
    sum.calls_in_setup += w.calls_in_setup;
    sum.bindings += w.bindings;
    for (const auto& row : w.counters) {
      json& total = counters[row.name];
      total = row.counter.value + (total.is_null() ? 0 : total.get<std::uint64_t>());
    }
  }
  const json relay = relay_json(p.relay, counters);
  return line(json{{"peer", p.bundle.peer_id().text()},
                   {"domain", p.bundle.domain},
                   {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(p.uptime).count()},
                   {"roles", roles},
                   {"sip", texts(p.sip)},
                   {"links", texts(p.links)},
                   {"reached", p.reached},
                   {"overlay",
                    {{"engine", health.engine},
                     {"connected", health.connected},
                     {"good_nodes", health.good_nodes},
                     {"known_nodes", health.known_nodes},
                     {"stored_records", health.stored_records},
                     {"stored_bytes", health.stored_bytes}}},
                   {"registrar", {{"bindings", sum.bindings}, {"accounts", p.accounts}}},
                   {"sip_core",
                    {{"connections", sum.connections},
                     {"server_transactions", sum.server_transactions},
                     {"client_transactions", sum.client_transactions},
                     {"calls_in_setup", sum.calls_in_setup}}},
                   {"workers", workers},
                   {"relay", relay},
                   {"credential_days_left",
                    (static_cast<std::int64_t>(p.bundle.credential.not_after) - p.now / 1000) / 86400},
                   {"warnings", p.warnings},
                   {"counters", counters}});
}

base::Result<std::string> lookup_key(std::string_view uri, std::string_view domain) {
  std::string text(uri);
  if (text.find(':') == std::string::npos)
    text = "sip:" + text + (text.find('@') == std::string::npos ? "@" + std::string(domain) : "");
  for (std::string_view scheme : {"turn:", "teredo:"})
    if (text.starts_with(scheme)) {
      if (sip::same_text(std::string_view(text).substr(scheme.size()), domain))
        return std::string(scheme) + std::string(domain);
      return base::fail("'{}': expected {}{}: this peer is a member of that domain only", uri, scheme,
                        domain);
    }
  auto parsed = sip::parse_uri(text);
  if (!parsed || !parsed->is_sip)
    return base::fail("'{}': expected a URI such as sip:alice@{}, sip:{} or a user name", uri, domain,
                      domain);
  if (!sip::same_text(parsed->host, domain))
    return base::fail("'{}': this peer is a member of {} only", uri, domain);
  return parsed->has_user ? sip::address_of_record(*parsed) : "sip:" + std::string(domain);
}

}  // namespace causeway::peer
