#include "ua/srtp.h"

#include <algorithm>

#include <srtp2/srtp.h>

#include "stun/message.h"
#include "ua/limits.h"

namespace causeway::ua {
namespace {

static_assert(Srtp::kTrailer >= SRTP_MAX_TRAILER_LEN + 4);

srtp_profile_t native(SrtpProfile profile) {
  return profile == SrtpProfile::aead_aes_128_gcm ? srtp_profile_aead_aes_128_gcm
                                                  : srtp_profile_aes128_cm_sha1_80;
}

// Once for the process; 0 if it went well.
srtp_err_status_t initialised() {
  static const srtp_err_status_t status = srtp_init();
  return status;
}

srtp_ctx_t_* create(SrtpProfile profile, srtp_ssrc_type_t direction, std::string key) {
  srtp_policy_t policy{};
  if (srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, native(profile)) != srtp_err_status_ok ||
      srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, native(profile)) != srtp_err_status_ok)
    return nullptr;
  policy.ssrc.type = direction;
  policy.key = reinterpret_cast<unsigned char*>(key.data());
  policy.window_size = 128;
  srtp_ctx_t_* made = nullptr;
  return srtp_create(&made, &policy) == srtp_err_status_ok ? made : nullptr;
}

}  // namespace

std::size_t srtp_key_size(SrtpProfile profile) { return srtp_profile_get_master_key_length(native(profile)); }
std::size_t srtp_salt_size(SrtpProfile profile) {
  return srtp_profile_get_master_salt_length(native(profile));
}

base::Result<std::unique_ptr<Srtp>> Srtp::make(const SrtpKeys& keys) {
  if (initialised() != srtp_err_status_ok) return base::fail("libsrtp does not pass its own tests");
  const std::size_t size = srtp_key_size(keys.profile) + srtp_salt_size(keys.profile);
  if (keys.ours.size() != size || keys.theirs.size() != size)
    return base::fail("expected SRTP keys of {} bytes, found {} and {}", size, keys.ours.size(),
                      keys.theirs.size());
  std::unique_ptr<Srtp> made(new Srtp);
  made->out_ = create(keys.profile, ssrc_any_outbound, keys.ours);
  made->in_ = create(keys.profile, ssrc_any_inbound, keys.theirs);
  if (!made->out_ || !made->in_) return base::fail("libsrtp does not take the keys of DTLS");
  return made;
}

Srtp::~Srtp() {
  if (out_) srtp_dealloc(out_);
  if (in_) srtp_dealloc(in_);
}

std::size_t Srtp::protect(char* packet, std::size_t size, bool rtcp) {
  int length = static_cast<int>(size);
  const auto status = rtcp ? srtp_protect_rtcp(out_, packet, &length) : srtp_protect(out_, packet, &length);
  return status == srtp_err_status_ok ? static_cast<std::size_t>(length) : 0;
}

bool Srtp::is_known(std::uint32_t ssrc) const { return std::ranges::find(sources_, ssrc) != sources_.end(); }

Srtp::Verdict Srtp::unprotect(char* packet, std::size_t& size, bool rtcp) {
  // RFC 3550: the SSRC stands at 8 in RTP and at 4 in RTCP.
  const std::size_t at = rtcp ? 4 : 8;
  if (size < at + 4) return Verdict::unauthentic;
  const std::uint32_t ssrc = stun::read_u32({packet, size}, at);
  const bool known = is_known(ssrc);
  if (!known && sources_.size() >= limits::kMaxSources) return Verdict::too_many_sources;
  int length = static_cast<int>(size);
  const auto status = rtcp ? srtp_unprotect_rtcp(in_, packet, &length) : srtp_unprotect(in_, packet, &length);
  if (status == srtp_err_status_replay_fail || status == srtp_err_status_replay_old) return Verdict::replayed;
  if (status != srtp_err_status_ok) return Verdict::unauthentic;
  if (!known) sources_.push_back(ssrc);
  size = static_cast<std::size_t>(length);
  return Verdict::good;
}

}  // namespace causeway::ua
