// Every input of every corpus, without libFuzzer: what a fuzz target has found stays found. A crash names its
// file.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

// One for each target, made by cmake/module.cmake: TARGET(fuzz_sip_uri, "sip/uri").
#define TARGET(function, place) extern "C" int function(const std::uint8_t*, std::size_t);
#include "fuzz_targets.inc"
#undef TARGET

namespace {

struct Target {
  int (*run)(const std::uint8_t*, std::size_t);
  const char* place;
};
const Target kTargets[] = {
#define TARGET(function, place) {function, place},
#include "fuzz_targets.inc"
#undef TARGET
};

char current[1024];

void name_the_file(int) {
  std::fprintf(stderr, "while reading %s\n", current);
  std::signal(SIGABRT, SIG_DFL);
}

class Corpus : public ::testing::TestWithParam<Target> {};

TEST_P(Corpus, HasNothingThatHurts) {
  const auto before = std::signal(SIGABRT, name_the_file);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(CAUSEWAY_SOURCE_DIR "/fuzz/") +
                                                               GetParam().place + ".corpus"))
    files.push_back(entry.path());
  EXPECT_FALSE(files.empty());
  std::ranges::sort(files);
  for (const auto& file : files) {
    std::snprintf(current, sizeof current, "%s", file.c_str());
    std::ifstream in(file, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(GetParam().run(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()), 0) << file;
  }
  std::signal(SIGABRT, before);
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, ::testing::ValuesIn(kTargets), [](const auto& target) {
  std::string name = target.param.place;
  std::ranges::replace(name, '/', '_');
  return name;
});

}  // namespace
