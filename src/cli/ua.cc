// causeway ua: a user agent. It registers, calls, answers, plays and records; it does what its options say,
// then what stands on standard input, and tells what happens as JSON lines (ua_events.h).
#include <csignal>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "base/epoll_loop.h"
#include "base/log.h"
#include "base/signals.h"
#include "cli/cli.h"
#include "cli/ua_commands.h"
#include "cli/ua_events.h"
#include "identity/private_file.h"
#include "net/system_resolver.h"
#include "ua/user_agent.h"

namespace causeway::cli {

namespace {

struct Options {
  std::string bundle, account, user, password_file, via, ca, name, local;
  std::string call, call_as, play, record;
  std::string public_account, public_user, public_password_file;
  std::vector<std::string> relays, codecs, dns_servers;
  std::string relay_user, relay_password_file, stun, log_level = "warn";
  double answer_after = -1, lasts = 0;
  bool no_ice = false, relay_only = false, dtls = false, no_register = false, dnssec = false,
       no_relays = false;
};

// The first line of a file, or of standard input ("-"): read byte by byte, since commands may follow.
base::Result<std::string> password_in(const std::string& file) {
  std::string line;
  if (file == "-") {
    char c = 0;
    while (::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') line += c;
  } else {
    auto text = identity::read_private_file(file);
    if (!text) return std::unexpected(text.error());
    line = text->substr(0, text->find('\n'));
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty()) return base::fail("{}: expected a password on the first line, found nothing", file);
  return line;
}

// "udp:sip.example.net:5060"
base::Result<sip::Target> parse_via(const std::string& text) {
  const auto colon = text.find(':'), last = text.rfind(':');
  const auto transport = net::parse_transport(text.substr(0, colon));
  if (!transport || colon == text.npos || last == colon)
    return base::fail("--via: expected udp:HOST:PORT, tcp:HOST:PORT or tls:HOST:PORT, found '{}'", text);
  auto found = net::resolve_now(text.substr(colon + 1));
  if (!found)
    return base::fail("--via {}; is the name right, and does this machine reach a name server?",
                      found.error().message);
  const std::string host = text.substr(colon + 1, last - colon - 1);
  return sip::Target{{*transport, found->front()}, net::Ip::parse(host) ? "" : host, false};
}

base::Result<ua::PhoneAccount> phone_account(const Options& o) {
  if (o.account.empty())
    return base::fail(
        "expected --account sip:USER@DOMAIN (a phone's line), or --bundle FILE (a member of the overlay)");
  std::optional<sip::Target> proxy;
  if (!o.via.empty()) {
    auto target = parse_via(o.via);
    if (!target) return std::unexpected(target.error());
    proxy = std::move(*target);
  }
  std::string password;
  if (!o.password_file.empty()) {
    auto read = password_in(o.password_file);
    if (!read) return std::unexpected(read.error());
    password = std::move(*read);
  }
  auto account = ua::make_account(o.account, std::move(password));
  if (!account) return std::unexpected(account.error());
  account->proxy = std::move(proxy);
  if (account->proxy && account->proxy->endpoint.transport == net::Transport::tls &&
      account->proxy->tls_name.empty())
    account->proxy->tls_name = ua::host_of(account->aor);
  account->user = o.user;
  account->registers = !o.no_register;
  account->finds_relays = !o.no_relays;
  std::string relay_password;
  if (!o.relays.empty()) {
    auto read = password_in(o.relay_password_file);
    if (!read) return std::unexpected(read.error());
    relay_password = std::move(*read);
  }
  for (const std::string& relay : o.relays) {
    auto endpoint = net::Endpoint::parse(relay);
    if (!endpoint) return base::fail("--relay: {}", endpoint.error().message);
    account->relays.push_back({*endpoint, o.relay_user, relay_password, {}});
  }
  return account;
}

base::Result<ua::UserAgentConfig> configure(const Options& o) {
  ua::UserAgentConfig config;
  if (!o.bundle.empty()) {
    auto bundle = identity::Bundle::read_file(o.bundle);
    if (!bundle) return std::unexpected(bundle.error());
    config.bundle = std::move(*bundle);
    config.user = o.user;
  } else {
    auto account = phone_account(o);
    if (!account) return std::unexpected(account.error());
    config.phone = std::move(*account);
    config.dns.servers = o.dns_servers;
    config.dns.dnssec = o.dnssec;
  }
  if (!o.ca.empty()) {
    std::ifstream in(o.ca);
    config.ca_pem = {std::istreambuf_iterator<char>(in), {}};
    if (config.ca_pem.empty())
      return base::fail("--ca {}: expected certificates in PEM, the file has none", o.ca);
  }
  if (!o.local.empty()) {
    auto local = net::Address::parse(o.local);
    if (!local) return base::fail("--local: {}", local.error().message);
    config.local = *local;
    if (!local->ip.is_unspecified()) config.media.local_addresses = {local->ip};
  }
  if (!o.stun.empty()) {
    auto stun = net::Address::parse(o.stun, 3478);
    if (!stun) return base::fail("--stun: {}", stun.error().message);
    config.media.stun = *stun;
  }
  config.media.relay_only = o.relay_only;
  config.media.keying = o.dtls ? ua::Keying::dtls_srtp : ua::Keying::plain;
  if (!o.codecs.empty()) config.media.codecs = o.codecs;
  config.media.play_wav = o.play;
  config.media.record_wav = o.record;
  if (auto known = ua::capabilities(config.media); !known)
    return base::fail("--codec: {}", known.error().message);
  config.ice = !o.no_ice;
  config.agent.display_name = o.name;
  if (!o.public_account.empty()) {
    auto password = password_in(o.public_password_file);
    if (!password) return std::unexpected(password.error());
    config.public_addresses.push_back({o.public_account, o.public_user, std::move(*password)});
  }
  return config;
}

base::Duration seconds(double s) { return base::Duration(static_cast<std::int64_t>(s * 1000)); }

// What the options ask for, as events come.
class Errand {
 public:
  Errand(const Options& o, base::Loop& loop, UaEvents& events)
      : options_(o),
        loop_(loop),
        events_(events),
        answer_(loop.timers(), [this] { answer(); }),
        hang_up_(loop.timers(), [this] { finish(); }) {
    events.registered = [this] { begin(); };
    events.not_registered = [this](bool final) {
      if (final) finish();
    };
    events.incoming = [this](ua::Call&) {
      if (options_.answer_after >= 0 && !answer_.pending()) answer_.start(seconds(options_.answer_after));
    };
    events.established = [this](ua::Call&) {
      succeeded_ = true;
      if (options_.lasts > 0) hang_up_.start(seconds(options_.lasts));
    };
    events.ended = [this](ua::Call& call, const ua::CallEnd&) {
      const bool last = call.number() == made_ || (made_ == 0 && options_.lasts > 0);
      if (last) finish();
    };
  }

  void set_agent(ua::Agent& agent) { agent_ = &agent; }

  // Says good-bye and ends the loop; at once the second time.
  void finish() {
    if (finishing_) return loop_.stop();
    finishing_ = true;
    loop_.post([this] { agent_->stop([this] { loop_.stop(); }); });
  }

  // Of the program: whether the call that was asked for came about.
  int status() const {
    const bool asked = !options_.call.empty() || options_.lasts > 0;
    return asked && !succeeded_ ? 1 : 0;
  }

 private:
  void begin() {
    if (options_.call.empty() || made_) return;
    if (!options_.call_as.empty() && !agent_->registered(options_.call_as)) return;
    auto call = agent_->call(options_.call, options_.call_as);
    if (!call) {
      events_.error({"a call to be made", call.error().message, ""});
      return finish();
    }
    made_ = (*call)->number();
  }
  void answer() {
    for (ua::Call* call : agent_->calls())
      if (call->state() == ua::Call::State::incoming) return call->answer();
  }

  const Options& options_;
  base::Loop& loop_;
  UaEvents& events_;
  ua::Agent* agent_ = nullptr;
  base::Timer answer_, hang_up_;
  std::uint64_t made_ = 0;
  bool succeeded_ = false, finishing_ = false;
};

base::Result<int> run_ua(const Options& o) {
  auto level = base::log::parse_level(o.log_level);
  if (!level) return std::unexpected(level.error());
  base::log::set_level(*level);
  auto config = configure(o);
  if (!config) return std::unexpected(config.error());
  auto loop = base::make_epoll_loop();
  UaEvents events(*loop);
  Errand errand(o, *loop, events);
  // Before media makes its thread.
  auto signals = base::on_signal(*loop, {SIGINT, SIGTERM}, [&](int) { errand.finish(); });
  auto ua = ua::UserAgent::make(std::move(*config), *loop, events);
  if (!ua) return std::unexpected(ua.error());
  errand.set_agent((*ua)->agent());
  UaCommands commands(*loop, **ua, events, [&] { errand.finish(); });
  loop->run();
  return errand.status();
}

}  // namespace

void add_ua(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  Options& o = *options;
  auto* sub = app.add_subcommand("ua", "a user agent: register, call, answer, play, record");
  sub->add_option("--bundle", o.bundle,
                  "a member of the overlay: the bundle that the authority wrote for a user");
  sub->add_option("--account", o.account, "a phone's line: sip:USER@DOMAIN");
  sub->add_option(
      "--user", o.user,
      "its name for the digest, if it is another than USER; of a bundle for several users, which");
  sub->add_option("--password-file", o.password_file,
                  "its password, the first line of a file; - for standard input");
  sub->add_option("--via", o.via,
                  "its server: udp:HOST:PORT, tcp:HOST:PORT or tls:HOST:PORT; without it those that the DNS "
                  "knows for DOMAIN (RFC 3263)");
  sub->add_option("--dns-server", o.dns_servers,
                  "name server to ask, address or address@port, instead of those of /etc/resolv.conf; may be "
                  "given again")
      ->allow_extra_args(false);
  sub->add_flag("--dnssec", o.dnssec, "refuse DNS answers that fail DNSSEC");
  sub->add_option("--ca", o.ca, "PEM file of the authorities that the server's certificate may come from");
  sub->add_flag("--no-register", o.no_register, "calls can be made only");
  sub->add_option("--name", o.name, "shown to whom we call");
  sub->add_option("--local", o.local, "address:port for SIP over UDP; media uses this address alone");
  sub->add_option(
      "--register-public", o.public_account,
      "an address at a provider, registered through the domain's proxy peers (sip:USER@PROVIDER)");
  sub->add_option("--public-user", o.public_user, "its name for the digest, if it is another");
  sub->add_option("--public-password-file", o.public_password_file, "its password");
  sub->add_option("--call", o.call, "whom to call: bob, bob@example.org or a SIP URI");
  sub->add_option("--call-as", o.call_as, "the public address that it is made as (--register-public)");
  sub->add_option("--answer", o.answer_after, "answer calls after so many seconds")
      ->expected(0, 1)
      ->default_str("0");
  sub->add_option("--for", o.lasts, "hang up after so many seconds of the call, and end");
  sub->add_option("--play", o.play, "WAV file to play to the other side");
  sub->add_option("--record", o.record, "WAV file to write what is heard to");
  sub->add_option("--codec", o.codecs, "opus, PCMA, PCMU, in the order wanted; may be given again");
  sub->add_flag("--dtls", o.dtls, "encrypted media only (DTLS-SRTP)");
  sub->add_flag("--no-ice", o.no_ice, "media without ICE");
  sub->add_flag("--relay-only", o.relay_only,
                "media through relays only: nobody learns this machine's address");
  sub->add_option(
      "--relay", o.relays,
      "TURN server of a phone's line, udp:, tcp: or tls:ADDRESS:PORT, instead of those of the DNS; "
      "may be given again");
  sub->add_flag("--no-relays", o.no_relays,
                "of a phone's line: not the relays that its domain names in the DNS (RFC 5928)");
  sub->add_option("--relay-user", o.relay_user, "user name there");
  sub->add_option("--relay-password-file", o.relay_password_file, "password there");
  sub->add_option("--stun", o.stun, "ADDRESS:PORT of a STUN server");
  sub->add_option("--log", o.log_level, "log level")->capture_default_str();
  sub->footer(
      "Commands on standard input, one a line: call WHOM [as ADDRESS], answer, reject, hangup, hold, resume, "
      "dtmf DIGITS, "
      "register-public ADDRESS PASSWORD, status, quit. What happens is written to standard output as JSON "
      "lines. The "
      "exit status is 0 if the call came about that --call or --for asked for, or if there was none to "
      "come.");
  sub->callback([&run, options] { run = [options] { return run_ua(*options); }; });
}

}  // namespace causeway::cli
