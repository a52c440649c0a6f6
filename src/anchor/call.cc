#include "anchor/call.h"

#include <utility>

#include "sip/uri.h"

namespace causeway::anchor {

namespace {

using proxy::Crossing;
using sip::Method;
using Is = Call::Result::Is;
using Part = Exchange::Part;

constexpr const char* kNoWay = "no way for the phone's media";

bool is_success(const sip::Message& message) { return message.status() / 100 == 2; }

}  // namespace

std::string_view sdp_of(const sip::Message& message) {
  std::string_view type = message.value(sip::HeaderName::content_type);
  type = type.substr(0, type.find_first_of("; \t"));
  return sip::same_text(type, "application/sdp") ? message.body() : std::string_view();
}

Tags tags_of(const sip::Message& message, Crossing crossing) {
  const bool phone_asks = message.is_request() == (crossing == Crossing::from_phone);
  return phone_asks ? Tags{message.from_tag(), message.to_tag()} : Tags{message.to_tag(), message.from_tag()};
}

Call::Call(std::string user, std::string id, net::Address told, std::uint64_t session,
           std::string fingerprint, std::shared_ptr<Bridge> bridge, const Destinations& destinations)
    : user_(std::move(user)),
      id_(std::move(id)),
      told_(told),
      bridge_(std::move(bridge)),
      destinations_(destinations),
      to_phone_(session),
      to_world_(session) {
  able_.fingerprint = std::move(fingerprint);
}

bool Call::is_of(std::string_view user, std::string_view phone_tag) const {
  return user_ == user && !phone_tag.empty() && phone_tag_ == phone_tag;
}

bool Call::ends_with(const Tags& tags) const {
  return established_ && phone_tag_ == tags.phone && world_tag_ == tags.world;
}

void Call::gathered(std::optional<ua::LocalMedia> local) {
  restarting_ = false;
  restart_failed_ = !local && local_;
  failed_ = !local && !local_;
  if (!local) return;
  has_way_ = true;
  local_ = std::move(local);
  local_->fingerprint = able_.fingerprint;
}

void Call::restart() {
  restarting_ = true;
  bridge_->restart();
}

std::optional<Call::Result> Call::gathering() {
  if (restarting_ || !local_) return Result{Is::waits, {}};
  if (!std::exchange(restart_failed_, false)) return std::nullopt;
  following_.reset();
  return Result{Is::no_way, kNoWay};
}

Call::Result Call::take(const sip::Message& message, Crossing crossing) {
  const Tags tags = tags_of(message, crossing);
  if (phone_tag_.empty()) phone_tag_ = tags.phone;
  const std::string_view sdp = sdp_of(message);
  const bool begins = message.is_request() && message.method() == Method::invite && !begun_;
  if (begins) controlling_ = sdp.empty() != (crossing == Crossing::from_phone);
  Result result;
  if (failed_) {
    result = {Is::no_way, kNoWay};
  } else if (!sdp.empty()) {
    result = describe(message, crossing, tags, sdp);
  } else if (begins && !local_) {
    result.is = Is::waits;
  }
  begun_ |= begins && result.is != Is::waits;
  if (!message.is_request()) see_response(message, tags);
  return result;
}

// After what it carries was seen to.
void Call::see_response(const sip::Message& response, const Tags& tags) {
  // Of those who are asked by the first INVITE one may refuse what another still answers.
  const bool of_all = established_ || response.method() != Method::invite;
  if (of_all && exchange_.refuses(response)) return exchange_.withdraw();
  if (response.method() != Method::invite || !is_success(response) || established_) return;
  established_ = true;
  world_tag_ = tags.world;
  bridge_->watch();
}

Call::Result Call::describe(const sip::Message& message, Crossing crossing, const Tags& tags,
                            std::string_view sdp) {
  const bool of_phone = crossing == Crossing::from_phone;
  const Part part = exchange_.part_of(message, crossing);
  switch (part) {
    case Part::none:
      return {};
    case Part::offer:
      return of_phone ? offer_of_phone(sdp, message.is_request()) : offer_of_world(sdp, message.is_request());
    case Part::answer:
    case Part::again:
      return of_phone ? answer_of_phone(sdp, part == Part::answer)
                      : answer_of_world(message, tags, sdp, part == Part::answer);
  }
  return {};
}

Call::Result Call::offer_of_phone(std::string_view sdp, bool may_wait) {
  auto said = read_phone(sdp, nullptr);
  if (!said) return {Is::refused, said.error().message};
  if (may_wait) {
    if (has_agreed_ && !has_way_ && !restarting_ && !restart_failed_) restart();
    if (auto not_yet = gathering()) return *not_yet;
  }
  if (!local_) return {};
  phone_ = std::move(*said);
  return {Is::changed, to_world_.write(for_world(*phone_, *local_, nullptr))};
}

Call::Result Call::offer_of_world(std::string_view sdp, bool may_wait) {
  auto said = read_world(sdp, able_, nullptr);
  if (!said) return {Is::refused, said.error().message};
  if (!destinations_.narrow(said->media) && may_wait)
    return {Is::refused, "media is not sent to that address"};
  const auto& ice = said->media.ice;
  if (!local_) rtcp_port_ = has_rtcp_port(said->media);
  const bool restarts = has_agreed_ && ice && ice != agreed_;
  if (may_wait) {
    if (restarts && ice != following_) {
      following_ = ice;
      restart();
    }
    if (auto not_yet = gathering()) return *not_yet;
  }
  follows_ = restarts && !may_wait;
  world_ = std::move(*said);
  return {Is::changed, to_phone_.write(for_phone(*world_, told_, nullptr))};
}

Call::Result Call::answer_of_phone(std::string_view sdp, bool first) {
  if (!world_ || !local_) return {};
  const auto said = read_phone(sdp, &*world_);
  if (!said) return {};
  if (first) {
    exchange_.close();
    bridge_->set_phone(said->media);
    agree(world_->media, std::exchange(follows_, false));
  }
  return {Is::changed, to_world_.write(for_world(*said, *local_, &*world_))};
}

Call::Result Call::answer_of_world(const sip::Message& message, const Tags& tags, std::string_view sdp,
                                   bool first) {
  if (!phone_ || !local_) return {};
  auto said = read_world(sdp, *local_, &*phone_);
  if (!said) return {};
  destinations_.narrow(said->media);
  const bool fork = !first && !established_ && is_success(message) && tags.world != world_tag_;
  if (first || fork) {
    exchange_.close();
    bridge_->set_phone(phone_->media);
    agree(said->media, fork);
    if (!established_) world_tag_ = tags.world;
  }
  return {Is::changed, to_phone_.write(for_phone(*said, told_, &*phone_))};
}

void Call::agree(const ua::RemoteMedia& world, bool fork) {
  has_agreed_ = true;
  agreed_ = world.ice;
  following_.reset();
  bridge_->set_world(world, fork);
}

}  // namespace causeway::anchor
