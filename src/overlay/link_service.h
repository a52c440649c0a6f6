// The other end of public_links.h: what a public peer does for members that are no nodes of the overlay.
//
// It gets, puts and listens for them, remembers which link leads to whom (attached.h), and calls them back to
// find out whether they can be reached. A member may put what it has signed itself and what the one rule lets
// through; what one member, and all together, may have under way is bounded (limits.h). A check opens one
// connection, to the address that the question came from, and expects there the certificate of the member
// that has asked: nothing can be aimed at others with it, and nothing learned of them.
//
// A peer that is not public itself, or does not know it yet, answers `not_public` to everything.
//
// Belongs to a worker; each has one.
#pragma once

#include <memory>

#include "net/network.h"
#include "overlay/attached.h"
#include "overlay/link_asker.h"
#include "overlay/overlay.h"

namespace causeway::overlay {

class LinkService final : public LinkRequests {
 public:
  struct Parts {
    LinkAsker& asker;
    net::Network& network;
    net::TlsContext* member_tls;
    Overlay& overlay;
    RecordChecker& checker;
    Attached& attached;  // of all workers
  };
  explicit LinkService(Parts parts);
  ~LinkService();

  void set_public(bool is_public);
  // This member's own links, for news that comes to it; they must outlive it. Null: none.
  void set_links(LinkRequests* links);

  void on_link_request(sip::ServerTransaction& transaction, const sip::Message& request,
                       const sip::Flow& flow) override;
  void on_link_closed(const sip::Flow& flow) override;
  void on_link_gone(const sip::ServerTransaction& transaction) override;

  std::size_t clients() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace causeway::overlay
