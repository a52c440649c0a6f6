#include "ua/register.h"

#include <algorithm>

#include <fmt/format.h>

#include "sip/headers.h"
#include "ua/dialog.h"
#include "ua/limits.h"
#include "ua/methods.h"

namespace causeway::ua {

namespace {

using namespace std::chrono_literals;

constexpr base::Duration kGoodbye = 2s;

// How long our binding lives: what stands at our Contact, else at the response (10.2.4). Ours is the one
// whose URI is ours; a registrar may write it in another way, so the longest counts if there is none.
base::Duration granted(const sip::Message& ok, const std::string& contact, base::Duration asked) {
  const auto ours = sip::parse_contact(contact);
  std::optional<std::uint32_t> mine, any;
  (void)sip::for_each_value(ok, sip::HeaderName::contact, [&](std::string_view value) {
    const auto one = sip::parse_contact(value);
    if (!one || one->is_star) return true;
    const auto text = one->address.params.get("expires");
    const auto seconds = text ? sip::parse_delta_seconds(*text) : std::unexpected(sip::ParseError{});
    if (!seconds) return true;
    if (ours && sip::equivalent(ours->address.uri, one->address.uri)) mine = *seconds;
    any = std::max(any.value_or(0), *seconds);
    return true;
  });
  if (!mine) mine = any;
  if (!mine)
    if (auto all = sip::parse_delta_seconds(ok.value(sip::HeaderName::expires))) mine = *all;
  return mine ? std::chrono::seconds(*mine) : asked;
}

// A wrong password does not become right by repeating it.
bool is_final(int status) {
  return status == 401 || status == 407 || status == 403 || status == 404 || status == 416 || status == 420;
}

}  // namespace

Registration::Registration(base::Loop& loop, base::Random& random, Client& client, RegistrationConfig config,
                           RegistrationUser& user)
    : loop_(loop),
      random_(random),
      client_(client),
      config_(std::move(config)),
      user_(user),
      call_id_(random.token(24)),
      tag_(random.token(12)),
      expires_(config_.expires),
      pause_(limits::kRegisterRetryLeast),
      timer_(loop.timers(), [this] { stopped_ ? finish_stop() : refresh(); }) {}

Registration::~Registration() {
  if (id_) client_.forget(id_);
}

void Registration::refresh() {
  if (!stopped_ && !id_) send(expires_);
}

void Registration::send(base::Duration expires) {
  if (id_) client_.forget(id_);
  Outgoing request{.method = sip::Method::register_,
                   .uri = config_.registrar,
                   .from = fmt::format("<{}>;tag={}", config_.aor, tag_),
                   .to = in_brackets(config_.aor),
                   .call_id = call_id_,
                   .routes = config_.routes ? config_.routes() : std::vector<std::string>{},
                   .headers = {{"Contact", config_.contact()},
                               {"Expires", std::to_string(expires / 1s)},
                               {"Supported", "path, outbound"},
                               {"Allow", std::string(kAllowed)}},
                   .next_cseq = [this] { return ++cseq_; },
                   .own_registrar = true,
                   .digest = config_.digest};
  id_ = client_.send(std::move(request), *this);
  if (id_) return;
  if (stopped_) return timer_.start(base::Duration::zero());
  retry({"a way to the registrar", "none", "check the network"});
}

void Registration::retry(const Trouble& why) {
  active_ = false;
  // Between half of the pause and all of it, so that those that failed together do not come back together.
  const auto half = pause_.count() / 2;
  timer_.start(base::Duration(half + static_cast<std::int64_t>(random_.below(1 + std::uint64_t(half)))));
  pause_ = std::min(2 * pause_, limits::kRegisterRetryMost);
  user_.on_not_registered(config_, why, false);
}

void Registration::on_response(std::uint64_t id, const sip::Message& response) {
  const int status = response.status();
  if (status < 200) return;
  id_ = 0;
  if (stopped_) return finish_stop();
  if (status == 423 && !active_) {
    const auto least = sip::parse_delta_seconds(response.value(sip::HeaderName::min_expires));
    if (least && std::chrono::seconds(*least) > expires_) {
      expires_ = std::chrono::seconds(*least);
      return send(expires_);
    }
  }
  if (status >= 300) {
    const Trouble why =
        trouble_of(response, fmt::format("{} to register {}", config_.registrar, config_.aor));
    if (!is_final(status)) return retry(why);
    active_ = false;
    timer_.stop();
    return user_.on_not_registered(config_, why, true);
  }
  active_ = true;
  way_ = client_.flow_of(id);
  pause_ = limits::kRegisterRetryLeast;
  const base::Duration life = std::max<base::Duration>(granted(response, config_.contact(), expires_), 1s);
  // RFC 5626 4.4.1 would have 80 to 100 per cent; a lost packet or two must fit in what remains.
  timer_.start(life > 120s ? life - 60s : life / 2);
  user_.on_registered(config_, response);
}

void Registration::on_failure(std::uint64_t, const Trouble& why) {
  id_ = 0;
  if (stopped_) return finish_stop();
  retry(why);
}

void Registration::stop(std::function<void()> done) {
  if (stopped_) return;
  stopped_ = std::move(done);
  timer_.start(active_ ? kGoodbye : base::Duration::zero());
  if (active_) send(base::Duration::zero());
  active_ = false;
}

void Registration::finish_stop() {
  timer_.stop();
  if (auto done = std::exchange(stopped_, [] {})) done();
}

}  // namespace causeway::ua
