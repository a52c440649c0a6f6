#include "ua/relay_watch.h"

#include <sys/socket.h>

#include "base/random.h"
#include "net/packet_batch.h"
#include "stun/writer.h"
#include "ua/limits.h"

namespace causeway::ua {

void RelayWatch::start(const net::Address& relay) {
  stop();
  relay_ = relay;
  socket_ = net::open_socket(relay.ip, SOCK_DGRAM);
  heard_ = MediaThread::now();
  answered_ = {};
  base::Random().fill({reinterpret_cast<std::uint8_t*>(transaction_.data()), transaction_.size()});
  timer_.start(limits::kRelayProbe, [this] { tick(); });
}

void RelayWatch::start(const net::Address& relay, std::function<bool()> has_ended) {
  stop();
  relay_ = relay;
  has_ended_ = std::move(has_ended);
  timer_.start(limits::kRelayProbe, [this] { ask_connection(); });
}

void RelayWatch::ask_connection() {
  if (!has_ended()) return timer_.start(limits::kRelayProbe, [this] { ask_connection(); });
  stop();
  on_lost_();
}

void RelayWatch::stop() {
  timer_.cancel();
  socket_ = {};
  has_ended_ = {};
  unanswered_ = 0;
}

void RelayWatch::tick() {
  const base::Instant now = MediaThread::now();
  if (unanswered_ > 0 && is_answered()) {
    unanswered_ = 0;
    answered_ = asked_;
  }
  if (now - heard_ < limits::kRelayProbe) {
    unanswered_ = 0;
  } else if (unanswered_ == limits::kRelayProbesLost) {
    stop();
    on_lost_();
    return;
  } else if (unanswered_ > 0 || heard_ > answered_ || now - answered_ >= limits::kRelayPause) {
    probe();
  }
  timer_.start(unanswered_ > 0 ? limits::kRelayProbeAgain : limits::kRelayProbe, [this] { tick(); });
}

void RelayWatch::probe() {
  ++unanswered_;
  asked_ = MediaThread::now();
  char room[stun::kHeaderSize + 8];
  stun::Writer out(room, stun::Class::request, stun::Method::binding,
                   {transaction_.data(), transaction_.size()});
  out.fingerprint();
  net::send_packet(socket_.get(), relay_, out.view());
}

// All questions are the same, so that a late answer counts too.
bool RelayWatch::is_answered() {
  bool answered = false;
  char bytes[256];
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  ssize_t size;
  while ((size = ::recvfrom(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT,
                            reinterpret_cast<sockaddr*>(&from), &length)) > 0) {
    const auto message = stun::Message::parse({bytes, static_cast<std::size_t>(size)});
    answered |= message && message->kind() == stun::Class::success &&
                message->transaction() == std::string_view(transaction_.data(), transaction_.size()) &&
                net::Address::from_sockaddr(reinterpret_cast<const sockaddr&>(from)) == relay_;
    length = sizeof from;
  }
  return answered;
}

}  // namespace causeway::ua
