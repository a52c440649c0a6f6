#include "ua/rtcp.h"

#include <algorithm>
#include <array>

#include "stun/message.h"
#include "stun/writer.h"
#include "ua/limits.h"

namespace causeway::ua {
namespace {

using stun::read_u32;

constexpr unsigned kSenderReport = 200, kReceiverReport = 201, kSdes = 202, kBye = 203;
constexpr std::size_t kHeader = 4, kSenderInfo = 20, kBlock = 24;
constexpr char kCname = 1;

unsigned byte(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

SenderInfo read_info(std::string_view at) {
  return {.ntp = std::uint64_t{read_u32(at, 0)} << 32 | read_u32(at, 4),
          .timestamp = read_u32(at, 8),
          .packets = read_u32(at, 12),
          .bytes = read_u32(at, 16)};
}

ReportBlock read_block(std::string_view at) {
  const auto lost = static_cast<std::int32_t>(read_u32(at, 4) << 8) >> 8;
  return {.ssrc = read_u32(at, 0),
          .fraction_lost = static_cast<std::uint8_t>(byte(at, 4)),
          .lost = lost,
          .highest = read_u32(at, 8),
          .jitter = read_u32(at, 12),
          .last_report = read_u32(at, 16),
          .delay = read_u32(at, 20)};
}

struct Reader {
  RtcpReport& found;
  std::uint32_t ours;
  std::optional<std::uint32_t> theirs;

  // One packet of the compound, `body` without its header.
  bool read(unsigned type, unsigned count, std::string_view body) {
    if (type == kSenderReport || type == kReceiverReport) return read_report(type, count, body);
    if (type == kSdes && body.size() >= 4 && count > 0) found.names_us |= read_u32(body, 0) == ours;
    if (type != kBye) return true;
    if (body.size() < 4 * std::size_t{count}) return false;
    for (unsigned i = 0; i < count; ++i) {
      const std::uint32_t leaving = read_u32(body, 4 * std::size_t{i});
      found.names_us |= leaving == ours;
      found.bye |= leaving == theirs || (leaving == found.sender && !theirs);
    }
    return true;
  }

  bool read_report(unsigned type, unsigned count, std::string_view body) {
    const std::size_t begin = 4 + (type == kSenderReport ? kSenderInfo : 0);
    if (body.size() < begin + count * kBlock) return false;
    found.sender = read_u32(body, 0);
    found.names_us |= found.sender == ours;
    if (type == kSenderReport) found.info = read_info(body.substr(4));
    for (unsigned i = 0; i < count; ++i) {
      const ReportBlock block = read_block(body.substr(begin + i * kBlock));
      if (block.ssrc == ours) found.about_us = block;
    }
    return true;
  }
};

class RtcpWriter {
 public:
  explicit RtcpWriter(std::span<char> to) : to_(to) {}
  void header(unsigned type, unsigned count, std::size_t words) {
    u32(0x80000000U | count << 24 | type << 16 | static_cast<std::uint32_t>(words));
  }
  void u32(std::uint32_t value) {
    if (size_ + 4 <= to_.size()) stun::write_u32(&to_[size_], value);
    size_ += 4;
  }
  // Padded to whole words by zeros.
  void text(std::string_view bytes, std::size_t padded) {
    if (size_ + padded <= to_.size()) {
      auto end = std::copy(bytes.begin(), bytes.end(), to_.begin() + static_cast<std::ptrdiff_t>(size_));
      std::fill_n(end, padded - bytes.size(), '\0');
    }
    size_ += padded;
  }
  std::size_t size() const { return size_ <= to_.size() ? size_ : 0; }

 private:
  std::span<char> to_;
  std::size_t size_ = 0;
};

void write_report(RtcpWriter& out, const RtcpToSend& packet) {
  const std::size_t blocks = packet.block ? 1 : 0;
  out.header(packet.info ? kSenderReport : kReceiverReport, static_cast<unsigned>(blocks),
             (4 + (packet.info ? kSenderInfo : 0) + blocks * kBlock) / 4);
  out.u32(packet.ssrc);
  if (packet.info) {
    out.u32(static_cast<std::uint32_t>(packet.info->ntp >> 32));
    out.u32(static_cast<std::uint32_t>(packet.info->ntp));
    out.u32(packet.info->timestamp);
    out.u32(packet.info->packets);
    out.u32(packet.info->bytes);
  }
  if (packet.block) {
    const ReportBlock& block = *packet.block;
    out.u32(block.ssrc);
    out.u32(std::uint32_t{block.fraction_lost} << 24 | (static_cast<std::uint32_t>(block.lost) & 0xffffff));
    out.u32(block.highest);
    out.u32(block.jitter);
    out.u32(block.last_report);
    out.u32(block.delay);
  }
}

}  // namespace

std::optional<RtcpReport> parse_rtcp(std::string_view packet, std::uint32_t ours,
                                     std::optional<std::uint32_t> theirs) {
  RtcpReport found;
  Reader reader{found, ours, theirs};
  std::size_t items = 0;
  while (!packet.empty()) {
    if (packet.size() < kHeader || byte(packet, 0) >> 6 != 2 || ++items > limits::kMaxRtcpItems)
      return std::nullopt;
    const std::size_t size = kHeader + 4 * std::size_t{stun::read_u16(packet, 2)};
    if (size > packet.size()) return std::nullopt;
    std::string_view body = packet.substr(kHeader, size - kHeader);
    if (byte(packet, 0) & 0x20U) {  // padding, of the last one only
      const std::size_t padding = body.empty() ? 0 : byte(body, body.size() - 1);
      if (padding == 0 || padding > body.size() || size != packet.size()) return std::nullopt;
      body.remove_suffix(padding);
    }
    if (!reader.read(byte(packet, 1), byte(packet, 0) & 31U, body)) return std::nullopt;
    packet.remove_prefix(size);
  }
  if (items == 0) return std::nullopt;
  return found;
}

std::size_t write_rtcp(const RtcpToSend& packet, std::span<char> to) {
  RtcpWriter out(to);
  write_report(out, packet);
  // One chunk with one item; at least one zero ends the items (RFC 3550 6.5).
  const std::string_view cname = packet.cname.substr(0, 255);
  const std::size_t item = stun::padded(2 + cname.size() + 1);
  out.header(kSdes, 1, (4 + item) / 4);
  out.u32(packet.ssrc);
  std::array<char, 2 + 255> bytes{};
  bytes[0] = kCname;
  bytes[1] = static_cast<char>(cname.size());
  std::ranges::copy(cname, bytes.begin() + 2);
  out.text({bytes.data(), 2 + cname.size()}, item);
  if (packet.bye) {
    out.header(kBye, 1, 1);
    out.u32(packet.ssrc);
  }
  return out.size();
}

std::uint64_t ntp_time(base::Instant now) {
  const auto ms = static_cast<std::uint64_t>(now.time_since_epoch().count());
  return (ms / 1000) << 32 | ((ms % 1000) << 32) / 1000;
}

}  // namespace causeway::ua
