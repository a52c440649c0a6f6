// SRTP and SRTCP (RFC 3711, RFC 7714) by libsrtp, with keys from DTLS (dtls.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct srtp_ctx_t_;

namespace causeway::ua {

// The two that are offered (RFC 5764 4.1.2, RFC 7714 14.2).
enum class SrtpProfile : std::uint16_t { aes128_cm_sha1_80 = 1, aead_aes_128_gcm = 7 };

struct SrtpKeys {
  SrtpProfile profile = SrtpProfile::aes128_cm_sha1_80;
  std::string ours, theirs;  // master key and salt, one behind the other
};
// Bytes of a master key and of its salt.
std::size_t srtp_key_size(SrtpProfile profile);
std::size_t srtp_salt_size(SrtpProfile profile);

class Srtp {
 public:
  static base::Result<std::unique_ptr<Srtp>> make(const SrtpKeys& keys);
  ~Srtp();
  Srtp(const Srtp&) = delete;
  Srtp& operator=(const Srtp&) = delete;

  // What a packet becomes longer by, at most.
  static constexpr std::size_t kTrailer = 148;

  // In place: `packet` has kTrailer bytes of room behind `size`. The new length, 0 if it cannot be.
  std::size_t protect(char* packet, std::size_t size, bool rtcp);

  enum class Verdict : std::uint8_t { good, unauthentic, replayed, too_many_sources };
  // In place; `size` becomes shorter. Only what is good has been altered by nobody.
  Verdict unprotect(char* packet, std::size_t& size, bool rtcp);

 private:
  Srtp() = default;
  bool is_known(std::uint32_t ssrc) const;
  srtp_ctx_t_* out_ = nullptr;
  srtp_ctx_t_* in_ = nullptr;
  std::vector<std::uint32_t> sources_;  // that have proved themselves: libsrtp keeps state for each
};

}  // namespace causeway::ua
