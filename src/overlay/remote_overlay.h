// The overlay as seen by a member that is no node of it: asked through two public peers (public_links.h).
//
// Both are asked at once, and what they say is put together: of each signer the newest version, each checked
// by the one rule. So one of them may withhold what it likes as long as the other does not, and neither can
// forge or bring back an older version. When one dies the other goes on; the next one gets all that this
// member has put and listens to.
//
// What was put is kept until it expires or is put anew. Without any link (alone()) what is put waits, and a
// get answers with what this member has put itself, or else waits a moment for a link.
#pragma once

#include <memory>
#include <string>

#include "overlay/overlay.h"
#include "overlay/public_links.h"

namespace causeway::overlay {

// All references must outlive it. Other public peers are looked for under sip:D (PublicLinks::learn).
std::unique_ptr<Engine> make_remote_overlay(base::Loop& loop, base::Metrics& metrics, RecordChecker& checker,
                                            PublicLinks& links);

}  // namespace causeway::overlay
