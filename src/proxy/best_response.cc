#include "proxy/best_response.h"

#include "sip/rewrite.h"

namespace causeway::proxy {
namespace {

using sip::HeaderName;
using sip::Message;

// Lower is better.
int rank(int status) {
  switch (status) {
    case 401:
    case 407:
    case 415:
    case 420:
    case 484:
      return 40;
    case 408:
    case 430:
    case 482:  // of a request that has come by another branch already, too
    case 487:
      return 42;
    default:
      break;
  }
  const int of_class = status / 100;
  if (of_class == 6) return 0;
  return of_class * 10 + (of_class == 4 ? 1 : 0);
}

bool is_challenge(int status) { return status == 401 || status == 407; }

// The challenges of `from`, added to `to`.
base::Buffer with_challenges(const base::Buffer& to, const Message& from) {
  Message message;
  if (!message.parse(to.view())) return to;
  sip::Rewrite edit(message);
  for (auto name : {HeaderName::www_authenticate, HeaderName::proxy_authenticate})
    for (auto* field = from.first(name); field; field = from.next(*field))
      edit.append(sip::header_text(name), from.value(*field));
  auto merged = edit.build();
  return merged ? merged : to;
}

}  // namespace

void BestResponse::reset() {
  status_ = 0;
  response_ = {};
  reason_.clear();
}

bool BestResponse::beats(int status, bool is_local) const {
  if (status_ == 0) return true;
  const int mine = rank(status), theirs = rank(status_);
  return mine < theirs || (mine == theirs && local() && !is_local);
}

void BestResponse::consider(const Message& response, base::Buffer spliced) {
  const int status = response.status();
  if (is_challenge(status) && is_challenge(status_) && response_) {
    response_ = with_challenges(response_, response);
    return;
  }
  if (!beats(status, false)) return;
  status_ = status;
  response_ = std::move(spliced);
  reason_.clear();
}

void BestResponse::consider_local(int status, std::string_view reason) {
  if (!beats(status, true)) return;
  status_ = status;
  response_ = {};
  reason_ = reason;
}

}  // namespace causeway::proxy
