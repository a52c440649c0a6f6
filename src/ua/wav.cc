#include "ua/wav.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include "ua/limits.h"

namespace causeway::ua {
namespace {

static_assert(std::endian::native == std::endian::little, "samples are written as they lie in memory");

constexpr std::size_t kRiffHeader = 12, kChunkHeader = 8, kFormat = 16;
constexpr std::size_t kHeader = kRiffHeader + kChunkHeader + kFormat + kChunkHeader;  // what is written here
constexpr std::uint16_t kPcm = 1, kExtensible = 0xfffe;

std::uint32_t little(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

base::Status read_format(std::string_view chunk, WavLayout& layout) {
  if (chunk.size() < kFormat) return base::fail("expected a fmt chunk of 16 bytes, found {}", chunk.size());
  const std::uint32_t format = little(chunk, 0, 2), bits = little(chunk, 14, 2);
  layout.channels = little(chunk, 2, 2);
  layout.rate = little(chunk, 4, 4);
  if ((format != kPcm && format != kExtensible) || bits != 16)
    return base::fail("expected samples of 16-bit PCM, found format {} with {} bits", format, bits);
  if (layout.channels != 1 && layout.channels != 2)
    return base::fail("expected one or two channels, found {}", layout.channels);
  if (layout.rate != 8000 && layout.rate != 16000 && layout.rate != 48000)
    return base::fail("expected 8000, 16000 or 48000 samples a second, found {}", layout.rate);
  return {};
}

}  // namespace

base::Result<WavLayout> parse_wav(std::string_view beginning) {
  if (beginning.size() < kRiffHeader || !beginning.starts_with("RIFF") || beginning.substr(8, 4) != "WAVE")
    return base::fail("expected a WAV file (RIFF....WAVE), found something else");
  WavLayout layout;
  for (std::size_t at = kRiffHeader; at + kChunkHeader <= beginning.size();) {
    const std::string_view name = beginning.substr(at, 4);
    const std::uint64_t size = little(beginning, at + 4, 4);
    at += kChunkHeader;
    if (name == "data") {
      if (layout.rate == 0) return base::fail("expected the fmt chunk before the samples, found none");
      layout.offset = at;
      layout.bytes = size;
      return layout;
    }
    if (size > beginning.size() - at) break;
    if (name == "fmt ")
      if (auto read = read_format(beginning.substr(at, size), layout); !read)
        return std::unexpected(read.error());
    at += size + size % 2;
  }
  return base::fail("expected a data chunk within the first {} bytes, found none", limits::kMaxWavHeader);
}

base::Result<WavReader> WavReader::open(const std::string& path) {
  WavReader reader;
  reader.file_.open(path, std::ios::binary);
  if (!reader.file_) return base::fail("{}: cannot be opened: {}", path, std::strerror(errno));
  std::string beginning(limits::kMaxWavHeader, '\0');
  reader.file_.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
  beginning.resize(static_cast<std::size_t>(reader.file_.gcount()));
  auto layout = parse_wav(beginning);
  if (!layout) return base::fail("{}: {}", path, layout.error().message);
  reader.layout_ = *layout;
  reader.file_.clear();
  reader.file_.seekg(static_cast<std::streamoff>(layout->offset));
  return reader;
}

std::size_t WavReader::read(std::span<std::int16_t> samples) {
  std::array<std::int16_t, 2 * 960> both;
  std::size_t done = 0;
  while (done < samples.size()) {
    const std::size_t width = sizeof(std::int16_t) * layout_.channels;
    const std::size_t wanted = std::min({samples.size() - done, both.size() / layout_.channels,
                                         static_cast<std::size_t>(layout_.bytes / width)});
    if (wanted == 0) break;
    file_.read(reinterpret_cast<char*>(both.data()), static_cast<std::streamsize>(wanted * width));
    const std::size_t got = static_cast<std::size_t>(file_.gcount()) / width;
    for (std::size_t i = 0; i < got; ++i)
      samples[done + i] =
          layout_.channels == 1 ? both[i] : static_cast<std::int16_t>((both[2 * i] + both[2 * i + 1]) / 2);
    done += got;
    layout_.bytes = got < wanted ? 0 : layout_.bytes - got * width;
  }
  return done;
}

base::Result<WavWriter> WavWriter::create(const std::string& path, unsigned rate, std::uint64_t most_bytes) {
  net::Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file) return base::fail("{}: cannot be written: {}", path, net::error_text(errno));
  WavWriter writer(std::move(file), rate, most_bytes);
  if (!writer.write_header()) return base::fail("{}: cannot be written: {}", path, net::error_text(errno));
  return writer;
}

WavWriter::~WavWriter() {
  if (file_ && announced_ != bytes_) write_header();
}

bool WavWriter::write_header() {
  std::array<char, kHeader> header{};
  std::size_t at = 0;
  const auto put = [&](std::string_view text) {
    std::ranges::copy(text, header.begin() + static_cast<std::ptrdiff_t>(at));
    at += text.size();
  };
  const auto number = [&](std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i, value >>= 8) header[at++] = static_cast<char>(value & 0xff);
  };
  put("RIFF");
  number(kHeader - kChunkHeader + bytes_, 4);
  put("WAVEfmt ");
  number(kFormat, 4);
  number(kPcm, 2);
  number(1, 2);  // channels
  number(rate_, 4);
  number(std::uint64_t{rate_} * 2, 4);
  number(2, 2);  // bytes of a frame
  number(16, 2);
  put("data");
  number(bytes_, 4);
  if (::pwrite(file_.get(), header.data(), header.size(), 0) != static_cast<ssize_t>(header.size()))
    return false;
  announced_ = bytes_;
  return true;
}

bool WavWriter::write(std::span<const std::int16_t> samples) {
  if (failed_) return false;
  const std::size_t size = samples.size_bytes();
  failed_ = bytes_ + size > most_ ||
            ::pwrite(file_.get(), samples.data(), size, static_cast<off_t>(kHeader + bytes_)) !=
                static_cast<ssize_t>(size);
  if (!failed_) bytes_ += size;
  if (!failed_ && bytes_ - announced_ >= std::uint64_t{rate_} * 2) failed_ = !write_header();
  return !failed_;
}

}  // namespace causeway::ua
