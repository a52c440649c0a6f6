#include "cli/ua_events.h"

#include <cstdio>

namespace causeway::cli {

namespace {

using Json = nlohmann::ordered_json;

Json of(const ua::Call& call) { return {{"call", call.number()}}; }

Json figures(const ua::Call& call) {
  const ua::SessionFigures is = call.figures();
  return {{"codec", is.codec},
          {"pair", is.pair},
          {"packets_sent", is.packets_sent},
          {"packets_received", is.packets_received},
          {"packets_lost", is.lost},
          {"jitter_ms", is.jitter_ms}};
}

std::string_view state_name(ua::Call::State state) {
  switch (state) {
    case ua::Call::State::preparing:
      return "preparing";
    case ua::Call::State::calling:
      return "calling";
    case ua::Call::State::ringing:
      return "ringing";
    case ua::Call::State::incoming:
      return "incoming";
    case ua::Call::State::established:
      return "established";
    case ua::Call::State::ended:
      break;
  }
  return "ended";
}

Json of(const ua::Trouble& trouble) {
  return {{"expected", trouble.expected}, {"came", trouble.came}, {"do", trouble.todo}};
}

}  // namespace

void UaEvents::write(std::string_view event, const Json& more) {
  Json line{{"time", loop_.unix_now()}, {"event", event}};
  line.update(more);
  // What the other side has sent may not be UTF-8.
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void UaEvents::error(const ua::Trouble& trouble, const ua::Call* call) {
  Json line = call ? of(*call) : Json::object();
  line.update(of(trouble));
  write("error", line);
}

void UaEvents::status(ua::Agent& agent, const base::Metrics& metrics) {
  Json calls = Json::array();
  for (const ua::Call* call : agent.calls()) {
    Json one = of(*call);
    one["state"] = state_name(call->state());
    one["with"] = call->other();
    one["held"] = call->held();
    one.update(figures(*call));
    calls.push_back(std::move(one));
  }
  Json counters = Json::object();
  for (const auto& row : metrics.rows())
    if (row.counter.value != 0) counters[row.name] = row.counter.value;
  write("status",
        {{"registered", agent.registered()}, {"calls", std::move(calls)}, {"counters", std::move(counters)}});
}

void UaEvents::on_registered(const std::string& aor) {
  write("registered", {{"address", aor}});
  if (registered) registered();
}

void UaEvents::on_not_registered(const std::string& aor, const ua::Trouble& why, bool final) {
  Json line{{"address", aor}, {"again", !final}};
  line.update(of(why));
  write("error", line);
  if (not_registered) not_registered(final);
}

void UaEvents::on_incoming(ua::Call& call) {
  Json line = of(call);
  line["from"] = call.other();
  line["name"] = call.other_name();
  write("incoming", line);
  if (incoming) incoming(call);
}

void UaEvents::on_ringing(ua::Call& call) { write("ringing", of(call)); }

void UaEvents::on_established(ua::Call& call) {
  write("established", of(call));
  if (established) established(call);
}

void UaEvents::on_relays(ua::Call& call, const std::vector<ua::RelayServer>& relays) {
  Json line = of(call);
  line["relays"] = Json::array();
  for (const auto& relay : relays) line["relays"].push_back(relay.endpoint.text());
  write("relays found", line);
}

void UaEvents::on_allocated(ua::Call& call, const std::string& what) {
  Json line = of(call);
  line["address"] = what;
  write("allocated", line);
}

void UaEvents::on_media(ua::Call& call, const std::string& pair) {
  Json line = of(call);
  line["pair"] = pair;
  write("media", line);
}

void UaEvents::on_media_lost(ua::Call& call, const std::string& why) {
  Json line = of(call);
  line["reason"] = why;
  write("media lost", line);
}

void UaEvents::on_first_audio(ua::Call& call) { write("first audio", of(call)); }

void UaEvents::on_hold(ua::Call& call, bool by_us, bool held) {
  Json line = of(call);
  line["by"] = by_us ? "us" : "them";
  line["held"] = held;
  write("hold", line);
}

void UaEvents::on_dtmf(ua::Call& call, char digit) {
  Json line = of(call);
  line["digit"] = std::string(1, digit);
  write("dtmf", line);
}

void UaEvents::on_ended(ua::Call& call, const ua::CallEnd& end) {
  if (end.by == ua::CallEnd::By::failure) error(end.why, &call);
  Json line = of(call);
  line["by"] = end.by == ua::CallEnd::By::us ? "us" : end.by == ua::CallEnd::By::them ? "them" : "failure";
  line["established"] = end.established;
  line["reason"] = end.text;
  if (end.status) line["status"] = end.status;
  line.update(figures(call));
  write("ended", line);
  if (ended) ended(call, end);
}

}  // namespace causeway::cli
