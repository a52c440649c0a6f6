// A user's record in the overlay, made from his bindings here (draft 4.1).
//
// Signing costs about 20 us, so a record is put only when something in it has changed, or when it is
// getting old: a phone that refreshes its registration every minute costs no signature a minute. The
// contacts in a record therefore live as long as the record, not as long as the binding; a binding that
// ends earlier makes a new record at once.
#pragma once

#include <string>
#include <vector>

#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "overlay/overlay.h"
#include "overlay/users.h"
#include "registrar/binding_table.h"

namespace causeway::registrar {

class Publisher {
 public:
  Publisher(std::string domain, base::Loop& loop, base::Random& random, overlay::Overlay& overlay,
            overlay::Users& users, const overlay::Signer& signer, base::Metrics& metrics);

  // False: nothing has changed.
  bool set_links(std::vector<net::Address> links, std::vector<overlay::ViaPeer> vias);

  // Puts the record of what is bound now, or a tombstone if nothing is and a record was put before.
  void publish(RegisteredUser& user);

 private:
  std::string domain_;
  base::Loop& loop_;
  base::Random& random_;
  overlay::Overlay& overlay_;
  overlay::Users& users_;
  const overlay::Signer& signer_;
  std::vector<net::Address> links_;
  std::vector<overlay::ViaPeer> vias_;
  base::Counter& published_;
  base::Counter& tombstones_;
};

}  // namespace causeway::registrar
