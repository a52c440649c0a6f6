// Plays a conversation script (script.h) against a system on the simulated network.
//
//   Conversation talk(loop, world, metrics);
//   talk.system({Transport::udp, *Address::parse("192.0.2.1:5060")});   whom parties talk to, by transport
//   talk.actor("core", {...});                                          the test's own, beside the parties
//   EXPECT_EQ(talk.play_file("..."), "");                               else: file, line, expected, came
//
// Steps:
//   party NAME udp|tcp|tls|member ADDRESS [to ADDRESS] [listens] [as CERTIFIED-NAME] [proves NAME]
//                              tcp, tls, member: connects (the system's listener of that kind, or ADDRESS;
//                              "proves": the name the system must have), or waits for a connection
//   NAME -> METHOD URI | STATUS [METHOD] | again                 a message (party.h)
//   NAME -> raw                                                  the "| lines" below, as they are
//   NAME -> bytes TEXT                                           with \r \n \0 \xNN
//   NAME <- METHOD | STATUS [METHOD] | ping | pong | connected | closed | bytes TEXT  [at TIME]
//   ACTOR -> ..., ACTOR <- ... [at TIME]                         as the test defines
//   wait TIME                  the clock advances
//   silence TIME               the same, and nobody receives anything
//   mark                       "at" counts from here (at first: from the begin)
//   patience TIME              how long "<-" without "at" waits; at first 2 ms
//   connect NAME, close NAME   again, for a stream
//   unlisten NAME
//   ignore NAME                what else it receives does not matter
//   counter NAME VALUE         a metric
//
// Whatever has been received and was not expected at the end is an error.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/sim_loop.h"
#include "net/sim_network.h"
#include "net/tls.h"
#include "sip/testing/party.h"

namespace causeway::sip::testing {

// Of an actor: how it does what a script says, and what it has seen, in the order of time.
struct Actor {
  // After "NAME ->". Gives an error, or nothing.
  std::function<std::string(const Step& step)> act;
  struct Event {
    std::string what;  // compared with the words after "<-"
    long at = 0;
  };
  std::deque<Event> seen;
};

class Conversation {
 public:
  Conversation(base::SimLoop& loop, net::SimNetwork& world, base::Metrics& metrics)
      : loop_(loop), world_(world), metrics_(metrics), start_(loop.now()) {}

  void system(const net::Endpoint& endpoint) { systems_[endpoint.transport] = endpoint.address; }
  void system_members(const net::Address& address) { members_ = address; }
  Actor& actor(const std::string& name) {
    auto& actor = actors_[name];
    if (!actor) actor = std::make_unique<Actor>();
    return *actor;
  }
  // For actors: something has happened.
  void saw(const std::string& name, std::string what) {
    actor(name).seen.push_back({std::move(what), now()});
  }
  Party* party(const std::string& name) {
    const auto found = parties_.find(name);
    return found == parties_.end() ? nullptr : found->second.get();
  }
  long now() const { return (loop_.now() - start_).count(); }

  // Empty if all went as written.
  std::string play_file(const std::string& path) {
    std::ifstream in(path);
    if (!in) return path + ": cannot be read";
    return play(in, path);
  }
  std::string play(std::istream& in, const std::string& name) {
    auto steps = parse_script(in, name);
    if (!steps) return steps.error().message;
    for (Step& step : *steps) {
      const std::string error = run(step);
      if (!error.empty()) return name + ":" + std::to_string(step.line) + ": " + error;
    }
    const std::string left = pending();
    return left.empty() ? "" : name + ": at the end, not expected: " + left;
  }

 private:
  std::string run(Step& step) {
    for (std::string& word : step.words) word = substituted(word);
    const std::string& verb = step.word(0);
    if (step.word(1) == "->") {
      for (std::string& line : step.details) line = substituted(line);
      return speak(step);
    }
    if (step.word(1) == "<-") return listen(step);
    if (verb == "party") return add_party(step);
    if (verb == "wait" || verb == "silence" || verb == "patience") return pass(step);
    if (verb == "mark") return mark_ = now(), "";
    if (verb == "counter") return check_counter(step);
    Party* who = party(step.word(1));
    if (!who) return "no party '" + step.word(1) + "'";
    if (verb == "connect") return connect(*who), "";
    if (verb == "close") return who->close(), "";
    if (verb == "unlisten") return who->stop_listening(), "";
    if (verb == "ignore") return who->ignored = true, "";
    return "no step '" + verb + "'";
  }

  std::string pass(const Step& step) {
    const long span = parse_milliseconds(step.word(1));
    if (span < 0) return "expected a time such as 500ms or 32s, found '" + step.word(1) + "'";
    if (step.word(0) == "patience") return patience_ = base::Duration(span), "";
    loop_.run_for(base::Duration(span));
    if (step.word(0) == "wait") return "";
    const std::string heard = pending();
    return heard.empty() ? "" : "expected silence, came " + heard;
  }

  std::string check_counter(const Step& step) {
    loop_.run_for(base::Duration(0));
    const std::string value = std::to_string(metrics_.value(step.rest(1).substr(0, step.rest(1).rfind(' '))));
    if (value == step.words.back()) return "";
    return "expected " + step.words.back() + ", the counter stands at " + value;
  }

  std::string add_party(const Step& step) {
    const std::string& kind = step.word(2);
    const auto transport = kind == "member" ? net::Transport::tls : net::parse_transport(kind);
    auto address = net::Address::parse(step.word(3));
    if (!transport || !address) return "expected: party NAME udp|tcp|tls|member ADDRESS:PORT";
    net::SimHost identity;
    Options options;
    for (std::size_t i = 4; i < step.words.size(); ++i) {
      if (step.words[i] == "listens") options.listens = true;
      if (step.words[i] == "to") options.to = step.word(i + 1);
      if (step.words[i] == "proves") options.proves = step.word(i + 1);
      if (step.words[i] == "as" && kind == "member") identity.member_name = step.word(i + 1);
      if (step.words[i] == "as" && kind != "member") identity.public_names.push_back(step.word(i + 1));
    }
    options.member = kind == "member";
    auto made = std::make_unique<Party>(step.word(1), loop_, world_.host(address->ip, identity),
                                        net::Endpoint{*transport, *address});
    made->clock = [this] { return now(); };
    made->target = {*transport, options.member ? members_ : systems_[*transport]};
    if (!options.to.empty()) {
      auto to = net::Address::parse(options.to);
      if (!to) return to.error().message;
      made->target.address = *to;
    }
    options_[step.word(1)] = options;
    base::Status opened;
    if (*transport == net::Transport::udp) opened = made->open_udp();
    if (options.listens) opened = made->listen(server_context(*transport, options.member));
    if (!opened) return opened.error().message;
    if (net::is_stream(*transport) && !options.listens) connect(*made);
    parties_[step.word(1)] = std::move(made);
    return "";
  }

  void connect(Party& who) {
    const Options& options = options_[who.name()];
    net::TlsClient tls;
    if (who.where().transport == net::Transport::tls)
      tls = {options.member ? member_.get() : client_.get(), options.proves};
    who.connect(tls);
    loop_.run_until([&] { return who.settled(); }, patience_);
  }
  net::TlsContext* server_context(net::Transport transport, bool member) {
    if (member) return member_.get();
    return transport == net::Transport::tls ? server_.get() : nullptr;
  }

  std::string speak(const Step& step) {
    if (const auto found = actors_.find(step.word(0)); found != actors_.end())
      return found->second->act ? found->second->act(step) : "this actor does nothing";
    Party* who = party(step.word(0));
    if (!who) return "nobody is called '" + step.word(0) + "'";
    if (step.word(2) == "bytes") return who->send_bytes(unescaped(step.rest(3))), "";
    if (step.word(2) == "raw") {
      std::string bytes;
      for (const std::string& line : step.details) bytes += (line.size() > 2 ? line.substr(2) : "") + "\r\n";
      return who->send_bytes(bytes), "";
    }
    auto sent = who->send(step, 2);
    return sent ? "" : sent.error().message;
  }

  std::string listen(Step& step) {
    long at = -1;
    if (step.words.size() >= 5 && step.words[step.words.size() - 2] == "at") {
      at = parse_milliseconds(step.words.back());
      if (at < 0) return "expected a time after 'at', found '" + step.words.back() + "'";
      at += mark_;
      step.words.resize(step.words.size() - 2);
    }
    const auto limit = at < 0 ? patience_ : base::Duration(std::max(0L, at - now()) + 1);
    const auto actor = actors_.find(step.word(0));
    Party* who = party(step.word(0));
    if (actor == actors_.end() && !who) return "nobody is called '" + step.word(0) + "'";
    const auto has_come = [&] { return who ? !who->received.empty() : !actor->second->seen.empty(); };
    const std::string wanted = step.rest(2);
    if (!loop_.run_until(has_come, limit))
      return "expected " + step.word(0) + " <- " + wanted + ", nothing came" + others(step.word(0));
    const long came_at = who ? who->received.front().at : actor->second->seen.front().at;
    std::string error =
        who ? compare(step, who->received.front()) : compare(wanted, actor->second->seen.front());
    if (!error.empty()) return error + others(step.word(0));
    if (who)
      who->received.pop_front();
    else
      actor->second->seen.pop_front();
    if (at >= 0 && (came_at < at - 1 || came_at > at + 1))
      return fmt::format("expected it at {} ms, it came at {} ms", at - mark_, came_at - mark_);
    return "";
  }

  static std::string compare(const std::string& wanted, const Actor::Event& event) {
    return event.what == wanted ? "" : "expected '" + wanted + "', came '" + event.what + "'";
  }

  std::string compare(const Step& step, const TextMessage& message) {
    const std::string came = "\n--- came:\n" + (message.raw.empty() ? message.start : message.raw);
    if (step.word(2) == "bytes")
      return unescaped(step.rest(3)) == message.raw ? "" : "other bytes were expected" + came;
    const bool is_note = message.raw.empty();
    std::string first = is_note || message.is_request() ? message.method() : message.status();
    if (first != step.word(2)) return "expected " + step.rest(2) + came;
    if (!is_note && !message.is_request() && !step.word(3).empty() && step.word(3) != message.method())
      return "expected " + step.rest(2) + came;
    if (!is_note && message.is_request() && !step.word(3).empty() && !matches(step.word(3), message.uri()))
      return "expected Request-URI " + step.word(3) + came;
    for (const std::string& detail : step.details) {
      const std::string error = check(detail, message);
      if (!error.empty()) return error + came;
    }
    return "";
  }

  // One detail line. Several "Name: value" lines of one name stand for its values in order.
  std::string check(const std::string& line, const TextMessage& message) {
    if (line[0] == '!') return message.has(line.substr(1)) ? "expected no " + line.substr(1) : "";
    if (line[0] == '|') {
      const std::string text = substituted(line.size() > 2 ? line.substr(2) : "");
      return message.body.find(text) != std::string::npos ? "" : "expected in the body: " + text;
    }
    const auto end = line.find_first_of(":~ ");
    if (end == line.npos) return message.has(line) ? "" : "expected a " + line;
    const std::string name = line.substr(0, end);
    const auto relation = line.find_first_of(":~", end);
    if (relation == line.npos) return "expected ':' or '~' in '" + line + "'";
    const std::string wanted = trimmed(line.substr(relation + 1));
    const auto values = message.all(name);
    for (const std::string& value : values) {
      if (line[relation] == ':' && matches(wanted, value)) return "";
      if (line[relation] == '~' && value.find(substituted(wanted)) != std::string::npos) return "";
    }
    return "expected " + substituted(line);
  }

  // "<sip:b@c>;tag={tag}": literal text, and captures that reach as far as the text after them allows.
  bool matches(const std::string& pattern, const std::string& value) {
    const auto open = pattern.find('{');
    const auto close = pattern.find('}', open);
    if (open == pattern.npos || close == pattern.npos) return substituted(pattern) == value;
    const std::string before = substituted(pattern.substr(0, open));
    const std::string after = substituted(pattern.substr(close + 1));
    if (!value.starts_with(before) || value.size() < before.size() + after.size() || !value.ends_with(after))
      return false;
    variables_[pattern.substr(open + 1, close - open - 1)] =
        value.substr(before.size(), value.size() - before.size() - after.size());
    return true;
  }

  std::string substituted(std::string text) const {
    for (auto at = text.find('$'); at != text.npos; at = text.find('$', at + 1)) {
      auto end = at + 1;
      while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_'))
        ++end;
      const auto known = variables_.find(text.substr(at + 1, end - at - 1));
      if (known == variables_.end()) continue;
      text.replace(at, end - at, known->second);
      at += known->second.size();
      if (at > text.size()) break;
    }
    return text;
  }

  static std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\' || i + 1 == text.size()) {
        out += text[i];
        continue;
      }
      const char c = text[++i];
      if (c == 'x' && i + 2 < text.size()) {
        out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
        i += 2;
      } else {
        out += c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
      }
    }
    return out;
  }

  // What has been received and not yet expected, by everybody or all but one.
  std::string pending(const std::string& but = "") const {
    std::string out;
    for (const auto& [name, who] : parties_)
      if (!who->ignored && name != but)
        for (const auto& message : who->received) out += " [" + name + " <- " + message.start + "]";
    for (const auto& [name, who] : actors_)
      if (name != but)
        for (const auto& event : who->seen) out += " [" + name + " <- " + event.what + "]";
    return out;
  }
  std::string others(const std::string& but) const {
    const std::string rest = pending(but);
    return rest.empty() ? "" : "\n--- waiting elsewhere:" + rest;
  }

  struct Options {
    bool listens = false, member = false;
    std::string to, proves;
  };

  base::SimLoop& loop_;
  net::SimNetwork& world_;
  base::Metrics& metrics_;
  base::Instant start_;
  long mark_ = 0;
  base::Duration patience_{2};
  std::map<net::Transport, net::Address> systems_;
  net::Address members_;
  std::unique_ptr<net::TlsContext> server_ = net::TlsContext::simulated(net::TlsContext::Kind::public_server);
  std::unique_ptr<net::TlsContext> client_ = net::TlsContext::simulated(net::TlsContext::Kind::public_client);
  std::unique_ptr<net::TlsContext> member_ = net::TlsContext::simulated(net::TlsContext::Kind::member);
  std::map<std::string, std::unique_ptr<Party>> parties_;
  std::map<std::string, Options> options_;
  std::map<std::string, std::unique_ptr<Actor>> actors_;
  std::map<std::string, std::string> variables_;
};

}  // namespace causeway::sip::testing
