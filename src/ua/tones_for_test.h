// Tones, and whether they are in what was recorded. For tests only.
#pragma once

#include <unistd.h>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include "ua/wav.h"

namespace causeway::ua::test {

inline std::vector<std::int16_t> tone(unsigned rate, double frequency, double seconds,
                                      double amplitude = 8000) {
  std::vector<std::int16_t> samples(static_cast<std::size_t>(rate * seconds));
  for (std::size_t i = 0; i < samples.size(); ++i)
    samples[i] = static_cast<std::int16_t>(
        amplitude * std::sin(2 * std::numbers::pi * frequency * static_cast<double>(i) / rate));
  return samples;
}

// The amplitude at one frequency (Goertzel).
inline double amplitude_of(std::span<const std::int16_t> samples, unsigned rate, double frequency) {
  const double turn = 2 * std::cos(2 * std::numbers::pi * frequency / rate);
  double before = 0, now = 0;
  for (const std::int16_t sample : samples) {
    const double next = sample + turn * now - before;
    before = now;
    now = next;
  }
  const double power = now * now + before * before - turn * now * before;
  return 2 * std::sqrt(std::max(power, 0.0)) / static_cast<double>(std::max<std::size_t>(samples.size(), 1));
}

inline double loudness(std::span<const std::int16_t> samples) {
  double sum = 0;
  for (const std::int16_t sample : samples) sum += double{1} * sample * sample;
  return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(samples.size(), 1)));
}

// A folder that goes with its owner.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "causeway-ua-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, unsigned rate, std::span<const std::int16_t> samples) const {
    auto writer = WavWriter::create(file(name), rate);
    writer->write(samples);
    return file(name);
  }

 private:
  std::string path_;
};

// Everything in a file, as a program that knows nothing of us reads it.
struct Recording {
  unsigned rate = 0;
  std::vector<std::int16_t> samples;
  std::span<const std::int16_t> seconds(double from, double to) const {
    const auto at = [this](double second) {
      return std::min(static_cast<std::size_t>(second * rate), samples.size());
    };
    return std::span(samples).subspan(at(from), at(to) - at(from));
  }
};
inline Recording read_wav(const std::string& path) {
  Recording all;
  auto reader = WavReader::open(path);
  if (!reader) return all;
  all.rate = reader->rate();
  std::vector<std::int16_t> some(1000);
  while (const std::size_t got = reader->read(some))
    all.samples.insert(all.samples.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(got));
  return all;
}

}  // namespace causeway::ua::test
