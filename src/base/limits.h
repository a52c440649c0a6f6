// Every limit of the program in one place, each with its reason: what a stranger may make a peer keep, read,
// send or wait for. What an operator must choose is a setting (peer/config.cc); what is refused because of a
// limit is counted.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

// ---- the event loop

namespace causeway::base::limits {

// Descriptors that one turn of the loop serves before the timers have their turn.
inline constexpr std::size_t kMostReady = 128;

}  // namespace causeway::base::limits

// ---- sockets and streams

namespace causeway::net::limits {

using namespace std::chrono_literals;

// Datagrams read or written in one system call. 64 x 64 kB of address space; a batch of 64 typical
// requests (45 kB) still fits the second-level cache.
inline constexpr std::size_t kBatch = 64;

// UDP's own limit (65,535 less the headers), rounded up.
inline constexpr std::size_t kMaxDatagram = 65536;

// Batches that one socket reads, and rounds that one stream reads (64 kB each), before the others
// get their turn: 512 datagrams are about 10 ms of work.
inline constexpr int kReadRounds = 8;

// Kernel socket buffers asked for. The kernel gives twice as much and counts 2.3 kB for a datagram of 700
// bytes, 1.3 kB for one of 500: room for 14,000 INVITEs, which is what five times 23,000 calls a second send
// in the 100 ms until they are refused (overload.h). Larger than that is no harm: a buffer full of new calls
// is refused within 30 ms, one full of everything else is worked off within 200 ms, well below the T1 (500
// ms) after which a sender sends again.
inline constexpr int kUdpSocketBuffer = 16 << 20;

// Datagrams queued within one turn before they are handed to the kernel without waiting for its end.
inline constexpr std::size_t kUdpFlush = 4 * kBatch;

// Datagrams of one size for one address that are handed over as one piece (UDP_SEGMENT): as many as old
// kernels take, no more bytes than one datagram may have, and each no longer than the packets of every path
// (IPv6: 1,280 bytes with the headers).
inline constexpr std::size_t kMaxSegments = 64;
inline constexpr std::size_t kMaxSegmented = 65000;
inline constexpr std::size_t kMaxSegment = 1200;

// Datagrams that wait for room in the kernel's buffer. What SIP has not sent within a few hundred
// milliseconds it will retransmit anyway.
inline constexpr std::size_t kMaxUdpQueued = 64 * kBatch;

// Bytes queued for a stream whose other side does not read. Eight of the largest SIP messages.
inline constexpr std::size_t kMaxQueued = 512 << 10;

// The largest piece given to one write on a stream: TLS's own record limit (RFC 8446 5.1).
inline constexpr std::size_t kMaxWrite = 16384;

// TCP connect plus TLS handshake. Well below Timer B (32 s), so that the next target gets a try.
inline constexpr base::Duration kConnectTimeout = 4s;

// An accepted connection must finish its TLS handshake within this.
inline constexpr base::Duration kHandshakeTimeout = 5s;

// Accepted connections per listener, all told; the oldest idle one is closed for a new one. And of one source
// (an IPv4 address, the /64 of an IPv6 one): more are refused, so that nobody can push out all others; an
// office behind one address may still have two thousand phones.
inline constexpr std::size_t kMaxAccepted = 20000;
inline constexpr std::size_t kMaxAcceptedPerSource = 2000;

// Connections accepted in one turn: 64 TLS handshakes begun are about 20 ms of work.
inline constexpr int kAcceptsPerTurn = 64;

// How long a listener rests when the kernel has no descriptor or memory for another connection.
inline constexpr base::Duration kAcceptPause = 100ms;

// Strangers can provoke it: the operator is told no more often than this.
inline constexpr base::Duration kWarningPause = 60s;

// A host that vanished without a word is noticed after this long: when it acknowledges nothing that
// was sent (TCP_USER_TIMEOUT, Timer B's 32 s), or on an idle connection (TCP keep-alive) after one
// minute and then this long.
inline constexpr base::Duration kPeerSilence = 32s;
inline constexpr base::Duration kKeepAliveIdle = 60s;
inline constexpr base::Duration kKeepAliveInterval = 8s;

// Certificate chains are kept in memory per connection; four P-256 certificates are below 4 kB.
inline constexpr long kMaxCertificateChain = 16384;

}  // namespace causeway::net::limits

// ---- STUN messages

namespace causeway::stun::limits {

// Attributes in one message. The most that a client has reason to send is a CreatePermission with a few dozen
// peers.
inline constexpr std::size_t kMaxAttributes = 128;

// Types not understood that a 420 names (RFC 8489 14.9). The first would do.
inline constexpr std::size_t kMaxUnknownNamed = 4;

}  // namespace causeway::stun::limits

// ---- messages, transactions, connections

namespace causeway::sip::limits {

using namespace std::chrono_literals;

// One message. UDP allows no more; over a stream nobody needs more for signalling.
inline constexpr std::size_t kMaxMessage = 65535;

// Start line and headers, over a stream, before they are given up.
inline constexpr std::size_t kMaxHeaderBytes = 32 << 10;

// Header field lines. 70 hops of Via and Record-Route, one a line, and the rest.
inline constexpr std::size_t kMaxHeaderFields = 256;

// Splices for one forwarded message: Request-URI, Max-Forwards, Via, four Record-Routes, the Routes
// that are ours, identity headers. 24 is twice the most seen.
inline constexpr std::size_t kMaxEdits = 24;

// RFC 3261 17.1.1.1 (and table 4): the estimate of the round-trip time, and what follows from it.
inline constexpr base::Duration kT1 = 500ms;
inline constexpr base::Duration kT2 = 4s;
inline constexpr base::Duration kT4 = 5s;
inline constexpr base::Duration k64T1 = 64 * kT1;     // B, F, H, J, L, M
inline constexpr base::Duration kTimerD = 32s;        // 17.1.1.2: at least 32 s over UDP
inline constexpr base::Duration kTimerC = 180s + 1s;  // 16.6 step 11: MUST be larger than 3 minutes

// The 100 that a proxy owes a caller that would otherwise retransmit (17.2.1).
inline constexpr base::Duration kTryingDelay = 200ms;

// A request longer than this leaves over a stream if the target offers one (18.1.1).
inline constexpr std::size_t kMaxUdpRequest = 1300;

// Idle streams: longer than the longest keep-alive interval that RFC 5626 4.4.1 recommends (120 s
// for TCP), with room for a lost one.
inline constexpr base::Duration kStreamIdle = 300s;
// A message that has begun on a stream must be complete within this.
inline constexpr base::Duration kStreamMessage = 20s;

// Overload (overload.h) begins when everything that was read for this long had waited too long: shorter, and
// a machine that stood still for a moment would count as overloaded; longer, and the kernel's buffer
// overflows first (kUdpSocketBuffer). It ends when nothing was late for the second time.
inline constexpr base::Duration kOverloadWindow = 50ms;
inline constexpr base::Duration kOverloadCalm = 1s;
// The longest overload.target, and the multiple of it at which new registrations and members' requests are
// refused: together below T1, after which senders send again.
inline constexpr base::Duration kMaxOverloadTarget = 80ms;
inline constexpr int kLaterStage = 5;
static_assert(kLaterStage * kMaxOverloadTarget < kT1);
// Refusals answered in one window: 500,000 a second take more than half a core. The rest gets no answer. (It
// will be sent again, so silence saves little as long as there is time to answer.)
inline constexpr std::uint64_t kRefusalsPerWindow = 25'000;
// The share of what is taken is told as that of so many windows: a second.
inline constexpr int kOverloadShareWindows = 20;
// Strangers can provoke it: it is logged no more often than this.
inline constexpr base::Duration kOverloadLogPause = 60s;
// Bytes by which refusals grow, so that most are of one length.
inline constexpr std::size_t kRefusalStep = 64;
// Retry-After, drawn at random so that those who were refused together do not come back together: no sooner
// than overload takes to end, no later than a caller is willing to wait.
inline constexpr int kRetryAfterLeast = 2, kRetryAfterMost = 10;

// Server transactions at one time (overload.max_transactions); more requests get 503. 2,000 calls a second
// leave 130,000 lingering, and 500,000 of these blocks with their responses are 350 MB.
inline constexpr std::size_t kMaxServerTransactions = 500'000;

// Answers of this peer itself, over UDP, to a source that has proved nothing (source_limit.h): so many
// seconds' worth at once, ten times as many for an hour after a proof, and no more than this in store for who
// keeps proving himself: 3,000 refused calls a second at a round trip of half a second are 1,500 on their
// way.
inline constexpr base::Duration kStrangerBurst = 4s;
inline constexpr int kProvenFactor = 10;
inline constexpr base::Duration kProvenFor = 3600s;
inline constexpr std::int32_t kMaxStrangerCredit = 4096;

// Sources of which that is remembered: 24 bytes each, taken with the first stranger.
inline constexpr std::size_t kStrangerSources = 32768;

// Bytes that one worker leaves for another before that has taken them: 40,000 messages, more than a second of
// its work. What is beyond it is lost, and sent again by whoever misses it.
inline constexpr std::size_t kMaxHandedOver = 32 << 20;

// Retransmissions of one final response that wait while a connection for it is being made.
inline constexpr std::size_t kMaxLateResponses = 8;
// Connections that are being made for such responses, whose place DNS tells: whoever closes his connection in
// the middle of a request makes us try.
inline constexpr std::size_t kMaxLateConnections = 1024;

// How long a digest challenge may be answered, and an answer that was overheard be used again.
inline constexpr base::Duration kNonceLife = 300s;

// Remote addresses for which the source address is remembered: a peer that is asked about many must not
// remember them all.
inline constexpr std::size_t kMaxSources = 4096;

}  // namespace causeway::sip::limits

// ---- lookups

namespace causeway::dns::limits {

using namespace std::chrono_literals;

// Records of one answer that are looked at. A domain with more servers than this has a name server of
// its own for them; a hostile one must not make us ask for hundreds of addresses.
inline constexpr std::size_t kMaxRecords = 16;

// Places to try for one request. Each may cost a timeout of seconds, and the caller does not wait longer.
inline constexpr std::size_t kMaxHops = 16;

// One lookup. An interactive caller gives up after about ten seconds, and RFC 3263 may take three lookups.
inline constexpr base::Duration kPatience = 4s;

// "There is no such name" is remembered this long, whatever the zone says: a new domain should be
// reachable soon, and a flood of calls to a name that is not there should not become a flood of queries.
inline constexpr base::Duration kNegative = 5s;

// Decoded answers kept beside libunbound's own cache, so that a call to a known domain needs no thread
// hop. About 200 bytes each.
inline constexpr std::size_t kMaxCached = 10'000;

}  // namespace causeway::dns::limits

// ---- credentials and files

namespace causeway::identity::limits {

// Bytes of a credential; five roles and a few users fit in 400. URIs that one may cover.
inline constexpr std::size_t kMaxCredential = 1024;
inline constexpr std::size_t kMaxCovers = 32;

// User part of an address of record.
inline constexpr std::size_t kMaxUserPart = 128;

// PEERID.peers.D must be a DNS name too, and those end at 253 characters (RFC 1035 2.3.4).
inline constexpr std::size_t kMaxDomain = 253 - 32 - 7;

// A relay token is a TURN user name (RFC 8489 14.3: below 509 bytes). Credentials of token makers whose
// signature a relay remembers.
inline constexpr std::size_t kMaxRelayToken = 508;
inline constexpr std::size_t kMaxKnownTokenCredentials = 4096;

// Files that an operator gives: a certificate in PEM; accounts (a million are about 150 MB, so a registrar of
// that size has several files); bootstrap peers in a bundle; a password.
inline constexpr std::size_t kMaxPem = 64 << 10;
inline constexpr std::size_t kMaxFile = 64 << 20;
inline constexpr std::size_t kMaxBootstrap = 64;
inline constexpr std::size_t kMaxPassword = 1024;

}  // namespace causeway::identity::limits

// ---- records and members

namespace causeway::overlay::limits {

using namespace std::chrono_literals;

// Members whose records may stand under one key. A hundred records of 400 bytes still arrive within
// one round trip or two; a thousand take up to a second.
inline constexpr std::size_t kMaxSignersPerKey = 64;

// Bytes of records that a holder keeps (200,000 users of 500 bytes). One member may have put half of them: no
// member can crowd out all others, and one registrar may have 100,000 phones.
inline constexpr std::size_t kMaxStored = 100 << 20;

// Requests that a node answers a second, from all members together and from one address. A lookup is
// about 20 requests over 8 to 11 nodes; many peers may stand behind one address.
inline constexpr int kMaxRequestsPerSecond = 16'384;
inline constexpr int kMaxRequestsPerSecondPerAddress = 8'192;

// A sealed datagram. The engine sends values in parts of at most 1,280 bytes, with up to 60 bytes of
// its own, and 37 of the seal and what is in it: below Ethernet's 1,500 less the headers of IPv6 and UDP.
inline constexpr std::size_t kMaxDatagram = 1452;

// Records whose check is remembered by a hash of their bytes, so that the eight copies that come for
// one lookup cost one signature. About 3 kB each.
inline constexpr std::size_t kMaxRememberedChecks = 1024;

// Own records sent to the overlay per step when this peer meets the first other member, and the time
// between two steps: 100,000 records take 40 s and fill no queue.
inline constexpr std::size_t kRepublishBatch = 25;
inline constexpr base::Duration kRepublishStep = 10ms;

// Nodes kept in the file of saved nodes: enough that some are alive after a week.
inline constexpr std::size_t kMaxSavedNodes = 200;

// Bytes of one record: a user with eight contacts, each with four endpoints and a token of this many
// characters (more than any TokenSealer makes).
inline constexpr std::size_t kMaxRecord = 1500;
inline constexpr std::size_t kMaxContacts = 8;
inline constexpr std::size_t kMaxEndpoints = 4;
// Public endpoints of a service: UDP, TCP and TLS, each over IPv4 and IPv6, and two to spare.
inline constexpr std::size_t kMaxServiceEndpoints = 8;
inline constexpr std::size_t kMaxToken = 256;
// Public peers through which one that cannot be reached is reached: two, and two to spare.
inline constexpr std::size_t kMaxVias = 4;

// Fields of a record, and of a contact or a body in it, with those that later versions may add.
inline constexpr std::size_t kMaxFields = 24;
inline constexpr std::size_t kMaxMoreFields = 16;

// Nesting of a datagram's MessagePack; the engine's own messages have six levels.
inline constexpr int kMaxDepth = 16;

// Credentials whose signature is remembered as good.
inline constexpr std::size_t kMaxKnownCredentials = 4096;

// Users whose records are cached while they are being called.
inline constexpr std::size_t kMaxCachedUsers = 100'000;

// Users that are looked up at one time: each lookup is some twenty datagrams, and one for somebody who does
// not exist ends after kLookupPatience. At 2,000 calls a second for users that are not cached, 300 are under
// way.
inline constexpr std::size_t kMaxUserLookups = 1000;

// Then a user, a peer or a service is taken for not there.
inline constexpr base::Duration kLookupPatience = 2s;

// Bytes of datagrams that wait for an earlier part of theirs, all together; beyond it they do not wait. And
// how long: a part that was lost costs that and nothing else.
inline constexpr std::size_t kMaxHeldBytes = 1 << 20;
inline constexpr base::Duration kMaxHold = 50ms;

// Addresses whose silence is watched; when it is full all are forgotten, which costs patience, nothing else.
inline constexpr std::size_t kMaxWatchedAddresses = 4096;

// Services whose distance is measured for one caller: more are no nearer to him than the nearest of so many
// that were drawn by chance.
inline constexpr std::size_t kMaxMeasured = 16;

// Distances remembered; when it is full all are forgotten, and measured again.
inline constexpr std::size_t kMaxRoundTrips = 1024;

// What a public peer does for one member that is no node (link_service.h). Records in one message: 48 kB,
// which a SIP message carries. Listeners: a site that calls so many users within two minutes (they are kept
// as long), and of all such members together. Lookups at one time: 300 are under way at 2,000 calls a second.
// Puts a second, and so many seconds' worth at once: a hundred thousand phones are put again every four
// minutes, and a signature costs 65 microseconds. URIs under which records of one member are kept: a site of
// ten thousand phones, 10 MB. News that waits because he reads slowly.
inline constexpr std::size_t kMaxLinkRecords = 32;
inline constexpr std::size_t kMaxLinkListens = 4096;
inline constexpr std::size_t kMaxAllLinkListens = 65'536;
inline constexpr std::size_t kMaxLinkGets = 512;
inline constexpr base::Duration kMaxLinkPatience = 10s;
inline constexpr int kMaxLinkPuts = 500;
inline constexpr int kLinkPutBurst = 4;
inline constexpr std::size_t kMaxLinkKept = 10'000;
inline constexpr std::size_t kMaxLinkNews = 4096;

// Calling members back to see whether they can be reached: how long one may take, how many at one time, and
// the pause between two for one source address (an IPv4 address, the /64 of an IPv6 one).
inline constexpr base::Duration kCheckPatience = 2s;
inline constexpr std::size_t kMaxChecks = 64;
inline constexpr base::Duration kCheckPause = 2s;

// Public peers that a member behind a NAT remembers: two are used, the others wait for these to fail.
inline constexpr std::size_t kMaxPublicPeers = 64;

}  // namespace causeway::overlay::limits

// ---- registrations

namespace causeway::registrar::limits {

// Contacts in one REGISTER: a phone has one or two; a gateway that registers more sends more requests.
inline constexpr std::size_t kMaxContactsInRequest = 16;

// One Contact URI, with its parameters. The longest seen in phones is about 200.
inline constexpr std::size_t kMaxContactUri = 512;

// +sip.instance: "<urn:uuid:...>" is 47 characters.
inline constexpr std::size_t kMaxInstance = 128;

// Path values of one binding (RFC 3327): edge proxies in a row. Two are common.
inline constexpr std::size_t kMaxPath = 8;

// User part of an address of record.
inline constexpr std::size_t kMaxUser = 128;

// Phones registered at one peer: a gigabyte. With digest there are no more than the accounts allow; where
// registration is open, anybody may make up names.
inline constexpr std::size_t kMaxBindings = 1'000'000;

}  // namespace causeway::registrar::limits

// ---- media relayed

namespace causeway::relay::limits {

using namespace std::chrono_literals;

// RFC 8656 9, 12, 7.2 (default and, for reservations, the least), RFC 8489 14.10 (at most an hour).
inline constexpr base::Duration kPermissionLife = 300s;
inline constexpr base::Duration kChannelLife = 600s;
inline constexpr base::Duration kDefaultLifetime = 600s;
inline constexpr base::Duration kReservationLife = 30s;
inline constexpr base::Duration kNonceLife = 3600s;

// RFC 8489 14.3: below 509 bytes.
inline constexpr std::size_t kMaxUsername = 508;

// Peers of one allocation: an ICE agent tries a few dozen candidates.
inline constexpr std::size_t kMaxPermissions = 128;
inline constexpr std::size_t kMaxChannels = 64;

// Ports held for the second half of a pair (RTP and RTCP), all together: each lives 30 seconds.
inline constexpr std::size_t kMaxReservations = 256;

// Sources whose rate of unauthenticated answers is told apart: 64 kB.
inline constexpr std::size_t kSourceBuckets = 4096;

// One message on a TCP or TLS connection. What arrives by datagrams is rarely above 1,500 bytes; a connection
// may keep this much of an incomplete one.
inline constexpr std::size_t kMaxStreamMessage = 16 << 10;

// Bytes that wait for a client that reads slowly; media beyond that would come too late anyway.
inline constexpr std::size_t kMaxStreamQueued = 64 << 10;

// A connection on which there is no allocation is closed when nothing comes for so long.
inline constexpr base::Duration kStreamIdle = 60s;

// Ports tried by chance before the range is searched from its beginning.
inline constexpr int kPortTries = 32;

}  // namespace causeway::relay::limits

// ---- requests on their way

namespace causeway::proxy::limits {

using namespace std::chrono_literals;

// RFC 5393 5.3.3: what a request gets that has no Max-Breadth, and the most that is believed.
inline constexpr int kMaxBreadth = 60;

// How often a request may have passed a peer of ours, or of another domain that runs Causeway (the branches
// of the Vias tell): 483 beyond that. Twice is usual within a domain, so this is five domains in a row. And
// from how many on its targets are not tried one after another, but only as far as Max-Breadth reaches at
// once (RFC 5393 5.3.3): contacts that lead to other users of the domain, who have such contacts, would else
// make a tree without end out of one request.
inline constexpr int kMaxPasses = 10;
inline constexpr int kMaxPassesInTurn = 2;

// Targets of one request, in parallel or one after another. A user has as many contacts at each peer as
// registrar.max_contacts allows.
inline constexpr int kMaxForks = 16;

// RFC 3261 16.6 step 3.
inline constexpr int kMaxForwards = 70;

// Texts put into one forwarded message: a Via, four flow URIs, a Path.
inline constexpr std::size_t kMaxInsertedText = 3072;

// Own values at the top of a Route set; legitimate are at most four.
inline constexpr int kMaxOwnRoutes = 8;

// Flows of one phone that are tried, the newest first (RFC 5626: several reg-ids under one instance).
inline constexpr std::size_t kMaxFlows = 8;

// A silent place does not hold the others up for longer than this. Longer than three retransmissions over UDP
// (0.5, 1.5, 3.5 s) and than a connection takes to fail (4 s), so that a second address of one peer gets its
// try first.
inline constexpr base::Duration kHopPatience = 4500ms;
// A peer answers an INVITE with 100, but nothing else before the phone does (RFC 4320), which may be slow
// and should not get the request twice.
inline constexpr base::Duration kPeerPatience = 10s;
// A peer that leads to another is one of two, and says 100 after kTryingDelay: over a link that is there, or
// made in two round trips, this is long. With what follows a call is lost to a dead one for less than 3 s.
inline constexpr base::Duration kViaPatience = 1500ms;

// Public addresses (draft 4.2) remembered by one peer.
inline constexpr std::size_t kMaxPublicRegistrations = 100'000;

// Flow tokens kept opened: two seconds of 2,000 new calls a second, since ACK and BYE of short calls come
// within that; 600 kB, taken with the first token.
inline constexpr std::size_t kOpenedTokens = 4096;

}  // namespace causeway::proxy::limits

// ---- the operator

namespace causeway::peer::limits {

// Worker threads: as many as a stream's number has room for (sip/flow.h), and more than cores are worth
// having.
inline constexpr std::int64_t kMaxWorkers = 64;

// On the control socket: bytes of one line; an operator and his monitoring, more are closed.
inline constexpr std::size_t kMaxControlRequest = 4096;
inline constexpr std::size_t kMaxControlClients = 16;
// A number in a request: a hundred years in seconds.
inline constexpr std::int64_t kMaxControlNumber = 3'155'760'000;

}  // namespace causeway::peer::limits
