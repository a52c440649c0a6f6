// Who is let in during overload (overload.h), and how the others are turned away (refusal.h).
//
// A request is looked at twice. When it arrives, before it is parsed: what is certainly new, and too much, is
// refused there for little more than the copying of a few lines, and so is the ACK to a refusal swallowed.
// And when it has been parsed and belongs to no transaction: what could not be told from its first look.
//
// Never refused: what stands in a dialogue (a To tag), ACK, CANCEL, BYE, PRACK, UPDATE, INFO, responses,
// whatever a transaction knows already, and a REGISTER for somebody who is registered here.
#pragma once

#include <string_view>

#include "base/loop.h"
#include "base/metrics.h"
#include "sip/overload.h"
#include "sip/transport.h"

namespace causeway::sip {

class ServerTransactions;
class ServerUser;

class Admission {
 public:
  Admission(base::Loop& loop, TransportLayer& transport, ServerTransactions& transactions,
            base::Metrics& metrics);

  void set_core(const ServerUser& core) { core_ = &core; }
  void configure(const OverloadConfig& config) { overload_.set_target(config.target); }
  OverloadState state() const { return overload_.state(); }

  // Something that may be a message and has not been parsed. True: it has been dealt with.
  bool on_arrival(std::string_view bytes, const Flow& flow) {
    overload_.on_read(transport_.waited());
    return overload_.on() && look(bytes, flow);
  }

  // A request that belongs to no transaction, except ACK and CANCEL.
  bool refuses(const Message& request, const Flow& flow) { return overload_.on() && judge(request, flow); }
  void refuse(const Message& request, const Via& top_via, const Flow& flow);

 private:
  bool look(std::string_view bytes, const Flow& flow);
  bool judge(const Message& request, const Flow& flow);

  TransportLayer& transport_;
  ServerTransactions& transactions_;
  const ServerUser* core_ = nullptr;
  Overload overload_;
  base::Counter& swallowed_;
};

}  // namespace causeway::sip
