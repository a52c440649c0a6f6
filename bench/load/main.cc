// load register|call: many phones at a server under test, over UDP. Prints JSON, one object a line.
//
//   load register --domain p2p.test --users 100000
//   load call --domain p2p.test --users 100000 --rate 500 --seconds 30 --hold 2
//   load call --phases 500:5,5000:10,500:5 --every 0.1       calls a second and for how long, one after
//   another
//
// Users are u1, u2, ... at the phones' address (--phones); callers are nobody's users and stand at --callers.
// With
// --ports N both have N ports, from the given ones on, so that the kernel spreads them over a server's
// workers. Neither authenticates. SIGTERM ends it early, with the last line as always.
#include <csignal>
#include <functional>
#include <map>

#include "calls.h"
#include "registrations.h"

namespace {

using namespace load;

volatile bool stop = false;

Place place(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) Place::fail("expected ADDRESS:PORT, found " + std::string(text));
  return {std::string(text.substr(0, colon)),
          static_cast<std::uint16_t>(std::atoi(std::string(text.substr(colon + 1)).c_str()))};
}

struct Options {
  std::string domain = "p2p.test";
  Place server{"127.0.0.1", 5060}, phones{"127.0.0.1", 5080}, callers{"127.0.0.1", 5090};
  std::uint32_t first = 1, users = 1000;
  std::uint16_t ports = 1;
  double rate = 0, seconds = 10, hold = 0, every = 1;
  std::vector<CallPlan::Phase> phases;  // in place of rate and seconds
};

std::vector<CallPlan::Phase> phases(const char* text) {
  std::vector<CallPlan::Phase> all;
  for (char* end = nullptr;; text = end + 1) {
    const double rate = std::strtod(text, &end);
    if (*end != ':') break;
    const double seconds = std::strtod(end + 1, &end);
    all.push_back({rate, seconds});
    if (*end == '\0') return all;
    if (*end != ',') break;
  }
  Place::fail("--phases: expected RATE:SECONDS,RATE:SECONDS...");
}

Options read_options(int count, char** words) {
  Options o;
  const std::map<std::string_view, std::function<void(const char*)>> known = {
      {"--domain", [&](const char* v) { o.domain = v; }},
      {"--server", [&](const char* v) { o.server = place(v); }},
      {"--phones", [&](const char* v) { o.phones = place(v); }},
      {"--callers", [&](const char* v) { o.callers = place(v); }},
      {"--first", [&](const char* v) { o.first = static_cast<std::uint32_t>(std::atoi(v)); }},
      {"--users", [&](const char* v) { o.users = static_cast<std::uint32_t>(std::atoi(v)); }},
      {"--ports", [&](const char* v) { o.ports = static_cast<std::uint16_t>(std::atoi(v)); }},
      {"--rate", [&](const char* v) { o.rate = std::atof(v); }},
      {"--seconds", [&](const char* v) { o.seconds = std::atof(v); }},
      {"--hold", [&](const char* v) { o.hold = std::atof(v); }},
      {"--every", [&](const char* v) { o.every = std::atof(v); }},
      {"--phases", [&](const char* v) { o.phases = phases(v); }},
  };
  for (int i = 2; i < count; i += 2) {
    const auto option = known.find(words[i]);
    if (option == known.end() || i + 1 == count)
      Place::fail("unknown option, or no value: " + std::string(words[i]));
    option->second(words[i + 1]);
  }
  if (o.ports == 0) Place::fail("--ports: expected at least 1");
  return o;
}

int register_users(const Options& o) {
  Sockets phones(o.phones, o.server, o.ports);
  const auto result =
      Registrations({.domain = o.domain, .first = o.first, .users = o.users, .rate = o.rate}, phones).run();
  std::printf(
      "{\"accepted\": %u, \"refused\": %u, \"postponed\": %u, \"sent_again\": %u, \"seconds\": %.3f}\n",
      result.accepted, result.refused, result.postponed, result.sent_again, result.seconds);
  return result.accepted == o.users ? 0 : 1;
}

int make_calls(Options o) {
  Sockets callers(o.callers, o.server, o.ports), phones(o.phones, o.server, o.ports);
  if (o.phases.empty()) o.phases = {{o.rate > 0 ? o.rate : 1000, o.seconds}};
  Calls({.domain = o.domain,
         .first = o.first,
         .users = o.users,
         .phases = o.phases,
         .hold = o.hold,
         .every = o.every},
        callers, phones)
      .run(stop);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string_view command = count > 1 ? words[1] : "";
  std::signal(SIGTERM, [](int) { stop = true; });
  if (command == "register") return register_users(read_options(count, words));
  if (command == "call") return make_calls(read_options(count, words));
  Place::fail("expected: load register|call [--OPTION VALUE]...");
}
