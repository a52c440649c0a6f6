// Where a phone's line sends to: the server that it was told, or those of its domain, found in the DNS (RFC
// 3263) and used one at a time.
//
//   find(done)       asks the DNS, if nothing was told; after that there is a current()
//   failed(place)    it does not answer, or says 503 (RFC 3263 4.3): the next one is current; after the last
//                    of them, which may be the only one, the DNS is asked anew, one question at a time, and
//                    meanwhile it is the first again
//   moved            is called whenever another one has become current
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dns/locator.h"
#include "sip/flow.h"
#include "sip/uri.h"

namespace causeway::ua {

class Servers {
 public:
  // `told`: the only one. `locator`: null if there is one.
  Servers(dns::Locator* locator, std::string domain, std::optional<sip::Target> told,
          std::function<void()> moved);

  // `done` comes once, maybe at once, and not when this has gone.
  void find(std::function<void(base::Status)> done);
  // Null before there is one.
  const sip::Target* current() const { return places_.empty() ? nullptr : &places_[current_]; }
  // Of everything in the list, which may be long since not the current one.
  bool has(const net::Address& address) const;
  bool has_another() const { return places_.size() > 1; }
  void failed(const net::Endpoint& place);
  // Does this URI's host mean the current one, or the whole domain?
  bool is_meant_by(const sip::Uri& uri) const;
  // For what is too long for UDP: where the DNS says that this very server takes streams, or else its port.
  sip::Target stream_to(const net::Address& server) const;

  // The places of a URI that are not the line's own (RFC 3261 12.2.1.1). None: the line's own way.
  using OnPlaces = std::function<void(std::vector<sip::Target>)>;
  void locate(std::string_view uri, OnPlaces done);

 private:
  void take(std::vector<sip::Target> places);

  dns::Locator* locator_;
  std::string domain_;
  std::function<void()> moved_;
  std::vector<sip::Target> places_;
  std::size_t current_ = 0;
  bool asking_again_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace causeway::ua
