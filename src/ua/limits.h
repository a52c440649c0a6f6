// Limits of the user agent, each with its reason, like those of base/limits.h: what the other side of a call
// may make this one keep, read, send or wait for.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace causeway::ua::limits {

using namespace std::chrono_literals;

// ---- calls

// Calls at one time, ended ones that still answer retransmissions among them; more are told 486. A person has
// two or three, and each takes a media session.
inline constexpr std::size_t kMaxCalls = 32;

// Places that answers to one INVITE may come from (forking). The proxies of a domain ask 10 phones at most.
inline constexpr std::size_t kMaxForks = 16;

// Places that a call is led on to (3xx), and addresses in one such answer that are kept.
inline constexpr std::size_t kMaxRedirects = 5;
inline constexpr std::size_t kMaxRedirectTargets = 10;

// How often one request is sent anew because of a challenge: once for each server on the way, once because
// its nonce was too old.
inline constexpr int kMaxChallenges = 3;

// How often one request is sent anew because the flow it left on has ended.
inline constexpr int kMaxFlowTries = 3;

// A server of a domain that has others, and has not said anything: the next one is tried. Longer than three
// retransmissions over UDP (0.5, 1.5, 3.5 s), and than a connection takes to fail (4 s).
inline constexpr base::Duration kServerPatience = 4500ms;

// A server that takes no streams is not asked again for this long; so many of them are remembered.
inline constexpr base::Duration kStreamRefused = 600s;
inline constexpr std::size_t kMaxStreamsRefused = 16;

// An incoming call that nobody answers. As long as a proxy waits (Timer C).
inline constexpr base::Duration kRinging = 180s;

// Route and Record-Route values of one dialogue: 70 hops are RFC 3261's own limit.
inline constexpr std::size_t kMaxRoutes = 70;

// RFC 4028 4 and 5: what is asked for, and the shortest that is agreed to.
inline constexpr base::Duration kSessionExpires = 1800s;
inline constexpr base::Duration kMinSessionExpires = 90s;

// ---- registrations

// RFC 5626 4.5 begins at 30 s; a peer that has gone has others beside it, and its users wait.
inline constexpr base::Duration kRegisterRetryLeast = 1s;
inline constexpr base::Duration kRegisterRetryMost = 30s;
inline constexpr base::Duration kRegisterExpires = 600s;

// RFC 5626 4.4: what keeps a NAT's mapping. Many forget UDP after 30 s.
inline constexpr base::Duration kKeepAliveUdp = 15s;
inline constexpr base::Duration kKeepAliveStream = 10s;
inline constexpr base::Duration kKeepAliveAnswer = 10s;  // 4.4.1

// ---- descriptions and paths

// Bytes and lines of a session description. Browsers that offer audio and video with all their codecs and ten
// candidates come to 8 kB and 250 lines.
inline constexpr std::size_t kMaxSdp = 32 << 10;
inline constexpr std::size_t kMaxSdpLines = 1000;

// m= lines: each one is answered. Audio, video, presentation and text, with room.
inline constexpr std::size_t kMaxSections = 16;

// Payload types of the audio section that are looked at: more than there are codecs for telephony.
inline constexpr std::size_t kMaxPayloads = 64;

// Candidates of the other side, the best ones: as many as libnice keeps for a component. Three relays, two
// address families and six interfaces are below that.
inline constexpr std::size_t kMaxCandidates = 25;

// RFC 8839 5.4: 4 to 256 and 22 to 256 characters.
inline constexpr std::size_t kMaxIceCredential = 256;

// Relays that candidates are gathered from: the draft wants several, each is an allocation that somebody has
// to carry.
inline constexpr std::size_t kMaxRelays = 3;

// A token for a relay opens it so long. A call that is longer asks for new ones when it needs another relay.
inline constexpr base::Duration kRelayTokenLife = 12h;

// The DNS is not waited for any longer before a call begins without the relays that it may name.
inline constexpr base::Duration kRelaySearch = 1s;

// Pairs that are checked: RFC 8445 6.1.2.5 recommends it as the most. Each gets a handful of small packets.
inline constexpr unsigned kMaxChecks = 100;

// Milliseconds between two questions to servers or to the other side; RFC 8445 14.2 allows no less. With
// libnice's own 20 most of a call's set-up is this timer: two steps to gather, four to find the path.
inline constexpr unsigned kIcePacing = 5;
// The most that the other side may want instead (RFC 8839 5.5), four times the default there: twenty pairs
// then take as long as kNominationPatience, and with more than that nothing would be found in time.
inline constexpr unsigned kMaxIcePacing = 200;

// Milliseconds until a question to a STUN server or relay is asked again, twice as long each time, and how
// often it is asked in all: at 0, 200, 600, 1400 and 3000 ms, so that of the two questions that an allocation
// takes one may be lost before the others are no longer waited for (kMoreRelays). RFC 8445 14.3 wants 500 ms;
// on a way that takes longer than 200 it costs a few small packets.
inline constexpr unsigned kServerTimeout = 200;
inline constexpr unsigned kServerQuestions = 5;

// How often a pair is checked: at 0, 500 and 1500 ms, and given up after 2 seconds. With only one that
// answers libnice nominates it when all the others have been given up, so that more would be waited for.
inline constexpr unsigned kCheckQuestions = 3;

// A server that does not answer is not waited for any longer: the caller hears nothing meanwhile.
inline constexpr base::Duration kGatherPatience = 2s;
// Where only relays may be told there is no call without one. Each answers two questions, and libnice asks
// each of them for four seconds.
inline constexpr base::Duration kRelayPatience = 5s;
// If libnice has given them all up before that, all are asked once more.
inline constexpr int kRelayRounds = 2;
// When a relay has answered, another one that has not is probably dead. libnice asks one after the other, 20
// ms apart, and a relay far away answers its two questions within this time, too, as does one whose first
// answer was lost: each relay more is another way, and where packets are lost one alone often takes seconds.
inline constexpr base::Duration kMoreRelays = 400ms;

// From when both sides' candidates are known, until a pair must have been found: the other side may begin
// later, and look for a new path before this one does.
inline constexpr base::Duration kConnectPatience = 10s;
// The same where this side controls, and so begins last. A libnice that controls nominates one pair, asks
// kCheckQuestions times, and then no other: where a tenth of the packets is lost on every link, every sixth
// path is not found for that, and looking for a new one is quicker than to wait.
inline constexpr base::Duration kNominationPatience = 4s;
// Milliseconds after that, if there is nothing else to ask, until it is over: the other side may begin later.
inline constexpr unsigned kIdleTimeout = 500;

// A round of libnice's questions for consent is 10 seconds, up to 14 for the second one: when two in a row
// have had no answer, consent has ended, before the 30 seconds of RFC 7675 5.1 are over.
inline constexpr base::Duration kConsentRound = 15s;

// When a path through a relay is selected libnice binds a channel to it, asks for that three times within two
// seconds and then forgets it; but a relay that has heard one of the questions sends by channel from then on,
// which libnice does not know and drops. If nothing comes then for so long, it is told to bind again, so many
// times. That begins a new round of consent each time: if it is in vain, consent ends after 19 seconds.
inline constexpr base::Duration kBindPatience = 1600ms;
inline constexpr base::Duration kBindSilence = 500ms;
inline constexpr int kBindRepeats = 2;

// Packets a second, sent without ICE to whom only signalling has named; and received, from anybody. Audio of
// 10 ms with RTCP and digits is below 150. What is beyond is dropped before it is decrypted.
inline constexpr int kMaxSentPerSecond = 200;
inline constexpr int kMaxReceivedPerSecond = 1000;

// The relay in use is asked whether it lives when nothing has come through it for so long, again and again,
// and given up when it has not answered so many times: audio must be back over another within three seconds,
// and where a third of the questions or answers is lost, a relay that lives must not be given up. One that
// answers is asked again after a pause, so that silence costs it little.
inline constexpr base::Duration kRelayProbe = 300ms;
inline constexpr base::Duration kRelayProbeAgain = 150ms;
inline constexpr base::Duration kRelayPause = 2s;
inline constexpr int kRelayProbesLost = 6;

// ---- media (codec.h to audio_session.h)

// RTP, RTCP and DTLS: what a path of Ethernet carries. What is longer is dropped; reading costs no
// allocation.
inline constexpr std::size_t kMaxPacket = 1500;

// One encoded frame: Opus at its highest rate (510 kbit/s) has 1,275 bytes.
inline constexpr std::size_t kMaxEncoded = 1275;

// Audio in one packet: RFC 7587 3.1.1 and most phones end at 120 ms.
inline constexpr base::Duration kMaxPacketTime = 120ms;

// Packets that wait to be played: a second and more of audio in frames of 20 ms.
inline constexpr std::size_t kMaxWaitingPackets = 64;

// The delay that is put before what is heard, from nothing but the clocks' own steps to what is still a
// conversation (ITU-T G.114: 150 ms one way is good, 400 ms is the end).
inline constexpr base::Duration kMinPlayDelay = 40ms;
inline constexpr base::Duration kMaxPlayDelay = 240ms;

// Sources (SSRC) of one call whose keys are kept, in either direction: each is an allocation in libsrtp. A
// phone changes it when the call is transferred, or after a collision.
inline constexpr std::size_t kMaxSources = 16;

// Our own SSRC is changed because somebody else uses it; more often than this it is our own packets coming
// back (RFC 3550 8.2).
inline constexpr int kMaxCollisions = 4;

// A new source takes the place of one that still sends only after so long a silence of that.
inline constexpr base::Duration kSourceSilence = 200ms;

// Items of one compound RTCP packet that are looked at.
inline constexpr std::size_t kMaxRtcpItems = 32;

// Keys that wait to be sent: a long calling-card number, in a minute's worth of tones.
inline constexpr std::size_t kMaxWaitingDigits = 256;

// From the first message of the DTLS handshake on; then the call has no media.
inline constexpr base::Duration kDtlsPatience = 20s;

// The first repetition of a lost message; the next after twice as long, and so on (RFC 6347 4.2.4.1 has 1 s
// for paths that nobody has measured; over this one ICE has just sent its checks).
inline constexpr base::Duration kDtlsRepeat = 300ms;

// DTLS packets that are looked at after the handshake, repetitions of its last messages among them: who
// repeats them without end gets no flood of answers.
inline constexpr std::size_t kMaxDtlsAfter = 64;

// The other side's certificates: browsers have one of 300 bytes.
inline constexpr long kMaxDtlsChain = 8192;

// Frames that are made up for when this side comes late (a busy machine); beyond that they are left out.
inline constexpr int kMaxFramesAtOnce = 10;

// Before the samples of a WAV file: names, places and pictures that programs put there.
inline constexpr std::size_t kMaxWavHeader = 64 << 10;

// Samples of one recording: what the header's 32 bits can say, less than that by the header.
inline constexpr std::uint64_t kMaxWavBytes = 0xffff'0000;

}  // namespace causeway::ua::limits
