#include "proxy/record_route.h"

namespace causeway::proxy {

bool wants_record_route(sip::Method method) {
  return method != sip::Method::ack && method != sip::Method::cancel && method != sip::Method::register_;
}

}  // namespace causeway::proxy
