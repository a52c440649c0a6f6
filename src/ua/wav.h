// WAV files: 16-bit PCM at 8, 16 or 48 kHz.
#pragma once

#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/descriptor.h"
#include "ua/limits.h"

namespace causeway::ua {

// Where the samples of a file lie.
struct WavLayout {
  unsigned rate = 0;         // 8000, 16000, 48000
  unsigned channels = 0;     // 1 or 2
  std::uint64_t offset = 0;  // of the first sample
  std::uint64_t bytes = 0;   // of all, as the header says: the file may be shorter
};

// Reads a file's beginning (limits::kMaxWavHeader is enough of it). The error says what was expected.
base::Result<WavLayout> parse_wav(std::string_view beginning);

// Plays a file once.
class WavReader {
 public:
  static base::Result<WavReader> open(const std::string& path);
  unsigned rate() const { return layout_.rate; }
  // Fills `samples` with mono, two channels mixed. Less than asked for: the file has ended.
  std::size_t read(std::span<std::int16_t> samples);

 private:
  std::ifstream file_;
  WavLayout layout_;
};

// Writes a mono file. Its header is right about once a second of audio and at the end: a program that reads
// it finds all but the last second even if this one was killed.
class WavWriter {
 public:
  static base::Result<WavWriter> create(const std::string& path, unsigned rate,
                                        std::uint64_t most_bytes = limits::kMaxWavBytes);
  WavWriter(WavWriter&&) noexcept = default;
  WavWriter& operator=(WavWriter&&) noexcept = default;
  ~WavWriter();
  unsigned rate() const { return rate_; }
  // False: it was not written (no room on the disk, or the file is as long as it may be), nor will more be.
  bool write(std::span<const std::int16_t> samples);

 private:
  WavWriter(net::Descriptor file, unsigned rate, std::uint64_t most)
      : file_(std::move(file)), rate_(rate), most_(most) {}
  bool write_header();
  net::Descriptor file_;
  unsigned rate_;
  std::uint64_t most_;
  std::uint64_t bytes_ = 0;      // of samples, written
  std::uint64_t announced_ = 0;  // of these, in the header
  bool failed_ = false;
};

}  // namespace causeway::ua
