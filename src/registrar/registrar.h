// The registrar of the domain, at this peer (RFC 3261 10, 3327, 5626, 5627; draft 4.1).
//
// A REGISTER comes in: digest (unless registration is open), the binding is made, changed or removed,
// the 200 lists what is there, and the user's record in the overlay is signed and put: with a new
// registration at once, afterwards every kRecordRefresh while it lasts, and as a tombstone the moment the
// last phone unregisters. So any peer finds the user, and a peer that dies is forgotten within ten minutes.
//
// Which way leads back to a phone (issue: "flow or Contact"): its flow, if the phone asks for it (`ob` in
// the Contact, or reg-id with +sip.instance) or a NAT shows (source address differs from the top Via's
// sent-by, or from a numeric Contact host), or the Contact's transport is a stream that this REGISTER came
// on; else its Contact.
#pragma once

#include <memory>
#include <string>

#include "base/limits.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "base/random.h"
#include "identity/accounts.h"
#include "identity/sealing.h"
#include "overlay/overlay.h"
#include "overlay/users.h"
#include "registrar/bindings.h"
#include "sip/digest.h"
#include "sip/transaction.h"

namespace causeway::registrar {

struct RegistrarConfig {
  std::string domain;
  bool open = false;              // no digest: throwaway domains and measurements only
  std::int64_t min_expires = 60;  // seconds; below: 423 with Min-Expires
  std::int64_t default_expires = 3600;
  std::int64_t max_expires = 86400;
  std::size_t max_contacts = overlay::limits::kMaxContacts;  // of one user; more: 403
  std::size_t max_bindings = limits::kMaxBindings;           // of all; more: 503
};

class BindingShelves;  // shared_bindings.h

// Everything it works with; all must outlive it.
struct RegistrarParts {
  base::Loop& loop;
  base::Random& random;
  base::Metrics& metrics;
  sip::TransactionLayer& transactions;
  overlay::Overlay& overlay;
  overlay::Users& users;
  const overlay::Signer& signer;
  const identity::TokenSealer& tokens;
  const sip::DigestVerifier& digest;
  // Where the workers of a peer read each other's bindings; none: the only worker.
  BindingShelves* shelves = nullptr;
  unsigned worker = 0;
};

class Registrar {
 public:
  Registrar(RegistrarConfig config, RegistrarParts parts);
  ~Registrar();

  // A REGISTER for this domain. Answers it, always.
  void on_register(sip::ServerTransaction& transaction, const sip::Message& request, const sip::Flow& flow);

  // Those of all workers.
  const Bindings& bindings() const;
  // Whether the user whom this REGISTER is for has a binding here.
  bool is_registered(const sip::Message& request) const;

  // Shared by the workers; they do not change.
  void set_accounts(std::shared_ptr<const identity::Accounts> accounts);
  const identity::Accounts& accounts() const;

  // What other peers must dial to reach this one, and the peers that lead to it if it cannot be reached; in
  // every user record. Changing it republishes.
  void set_links(std::vector<net::Address> links, std::vector<overlay::ViaPeer> vias = {});

  // Withdraws all user records (tombstones): for a peer that stops in good order.
  void withdraw_all();

  static constexpr base::Duration kRecordLife = std::chrono::minutes(10);
  static constexpr base::Duration kRecordRefresh = std::chrono::minutes(4);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::registrar
