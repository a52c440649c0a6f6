#include "overlay/link_messages.h"

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/msgpack.h"
#include "overlay/address_bytes.h"
#include "overlay/record.h"

namespace causeway::overlay {
namespace {

using base::MsgpackReader;
using base::MsgpackWriter;
using What = LinkQuestion::What;

constexpr std::uint64_t kVersion = 1;

// Fields of each question, with version and what.
std::size_t fields_of(What what) {
  switch (what) {
    case What::attach:
      return 2;
    case What::check:
    case What::put:
    case What::unlisten:
      return 3;
    case What::get:
    case What::listen:
    case What::news:
      return 4;
  }
  return 0;
}

void write(MsgpackWriter& out, const std::vector<EncodedRecord>& records) {
  const std::size_t count = std::min(records.size(), limits::kMaxLinkRecords);
  out.array(count);
  for (std::size_t i = 0; i < count; ++i) out.bytes(records[i]);
}

bool read(MsgpackReader& in, std::vector<EncodedRecord>& out) {
  const auto count = in.array(limits::kMaxLinkRecords);
  for (std::size_t i = 0; count && i < *count; ++i) {
    const auto record = in.bytes(limits::kMaxRecord);
    if (!record) return false;
    out.push_back(*record);
  }
  return count.has_value();
}

bool read(MsgpackReader& in, LinkQuestion& out) {
  switch (out.what) {
    case What::attach:
      return true;
    case What::check: {
      const auto port = in.uint();
      if (!port || *port == 0 || *port > UINT16_MAX) return false;
      out.port = static_cast<std::uint16_t>(*port);
      return true;
    }
    case What::get: {
      const auto uri = in.text(kMaxUri);
      const auto patience = in.uint();
      if (!patience) return false;
      out.uri = *uri;
      out.patience = base::Duration(
          std::min<std::uint64_t>(*patience, static_cast<std::uint64_t>(limits::kMaxLinkPatience.count())));
      return true;
    }
    case What::put:
      return read(in, out.records);
    case What::listen: {
      const auto id = in.uint();
      const auto uri = in.text(kMaxUri);
      if (!uri) return false;
      out.id = *id;
      out.uri = *uri;
      return true;
    }
    case What::unlisten:
    case What::news: {
      const auto id = in.uint();
      if (!id) return false;
      out.id = *id;
      return out.what == What::unlisten || read(in, out.records);
    }
  }
  return false;
}

bool pass_over(MsgpackReader& in, std::size_t count) {
  while (count-- > 0)
    if (!in.skip()) return false;
  return in.at_end();
}

}  // namespace

base::Bytes encode(const LinkQuestion& question) {
  MsgpackWriter out;
  out.array(fields_of(question.what));
  out.uint(kVersion);
  out.uint(static_cast<std::uint64_t>(question.what));
  switch (question.what) {
    case What::attach:
      break;
    case What::check:
      out.uint(question.port);
      break;
    case What::get:
      out.text(question.uri);
      out.uint(static_cast<std::uint64_t>(std::max<std::int64_t>(question.patience.count(), 0)));
      break;
    case What::put:
      write(out, question.records);
      break;
    case What::listen:
      out.uint(question.id);
      out.text(question.uri);
      break;
    case What::unlisten:
      out.uint(question.id);
      break;
    case What::news:
      out.uint(question.id);
      write(out, question.records);
      break;
  }
  return out.take();
}

base::Bytes encode(const LinkAnswer& answer) {
  MsgpackWriter out;
  out.array(4);
  out.uint(kVersion);
  out.uint(static_cast<std::uint64_t>(answer.verdict));
  if (answer.seen) {
    std::array<std::uint8_t, 18> bytes;
    out.bytes({bytes.data(), put_address(*answer.seen, bytes.data())});
  } else {
    out.nil();
  }
  write(out, answer.records);
  return out.take();
}

base::Result<LinkQuestion> decode_link_question(std::span<const std::uint8_t> bytes) {
  MsgpackReader in(bytes);
  LinkQuestion out;
  const auto fields = in.array(limits::kMaxFields);
  const auto version = in.uint();
  const auto what = in.uint();
  if (!what || *version != kVersion)
    return base::fail("expected a question of version {} on a peer link", kVersion);
  if (*what < 1 || *what > static_cast<std::uint64_t>(What::news))
    return base::fail("expected a question from 1 to {} on a peer link, found {}",
                      static_cast<int>(What::news), *what);
  out.what = static_cast<What>(*what);
  const std::size_t known = fields_of(out.what);
  if (*fields < known || !read(in, out) || !pass_over(in, *fields - known))
    return base::fail("expected the fields of question {} on a peer link, and nothing after them", *what);
  return out;
}

base::Result<LinkAnswer> decode_link_answer(std::span<const std::uint8_t> bytes) {
  MsgpackReader in(bytes);
  LinkAnswer out;
  const auto fields = in.array(limits::kMaxFields);
  const auto version = in.uint();
  const auto verdict = in.uint();
  if (!verdict || *fields < 4 || *version != kVersion || *verdict > static_cast<int>(LinkVerdict::not_public))
    return base::fail("expected an answer of version {} on a peer link", kVersion);
  out.verdict = static_cast<LinkVerdict>(*verdict);
  if (!in.nil()) {
    const auto address = in.bytes(18);
    out.seen = address ? read_address(*address) : std::nullopt;
    if (!out.seen) return base::fail("expected an address in the answer on a peer link");
  }
  if (!read(in, out.records) || !pass_over(in, *fields - 4))
    return base::fail("expected at most {} records in the answer on a peer link, and nothing after them",
                      limits::kMaxLinkRecords);
  return out;
}

}  // namespace causeway::overlay
