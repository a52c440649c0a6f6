#include "anchor/door.h"

#include <utility>

#include "anchor/limits.h"

namespace causeway::anchor {

namespace {

void tell(const proxy::PhoneHook::Done& done, Anchors::Answer answer) {
  proxy::PhoneHook::Shown shown;
  shown.refused = answer.status;
  shown.reason = std::move(answer.reason);
  shown.request = std::move(answer.request);
  shown.leg = std::move(answer.leg);
  done(std::move(shown));
}

}  // namespace

struct Door::Waiting {
  Anchors::Id id;
  base::Buffer request;
  proxy::Crossing crossing;
  Done done;
};

void Door::request(const sip::Message& request, proxy::Crossing crossing, std::string_view user,
                   const net::Ip& phone, Done done) {
  auto answer = parts_.anchors->take(request, crossing, user, phone, [&] { return parts_.local_for(phone); });
  if (answer.is != Anchors::Answer::Is::waits) return tell(done, std::move(answer));
  wait(std::make_shared<Waiting>(answer.id, base::Buffer::copy_of(request.bytes()), crossing,
                                 std::move(done)));
  if (answer.gather) find_relays(answer.id, user);
}

void Door::wait(std::shared_ptr<Waiting> waiting) {
  const Anchors::Id id = waiting->id;
  parts_.anchors->wait(id, parts_.loop, [this, alive = std::weak_ptr(alive_), waiting = std::move(waiting)] {
    if (!alive.expired()) take_again(waiting);
  });
}

void Door::take_again(const std::shared_ptr<Waiting>& waiting) {
  sip::Message request;
  if (!request.parse(waiting->request.view())) return;  // it was parsed before
  auto answer = parts_.anchors->take_again(waiting->id, request, waiting->crossing);
  answer.is == Anchors::Answer::Is::waits ? wait(waiting) : tell(waiting->done, std::move(answer));
}

// Whichever comes first: the relays, or the end of patience.
void Door::find_relays(Anchors::Id id, std::string_view user) {
  auto patience = std::make_shared<base::Timer>(parts_.loop.timers(), [this, id] { gather(id, {}); });
  patience->start(limits::kRelayPatience);
  searches_[id] = std::move(patience);
  parts_.relays(user, [this, alive = std::weak_ptr(alive_), id](std::vector<ua::RelayServer> relays) {
    if (!alive.expired()) gather(id, std::move(relays));
  });
}

void Door::gather(Anchors::Id id, std::vector<ua::RelayServer> relays) {
  const auto search = searches_.find(id);
  if (search == searches_.end()) return;  // too late
  search->second->stop();
  parts_.loop.post([timer = std::move(search->second)] {});  // it may be the one that called
  searches_.erase(search);
  parts_.anchors->gather(id, std::move(relays));
}

}  // namespace causeway::anchor
