#include "ua/wav.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "ua/limits.h"
#include "ua/tones_for_test.h"

namespace causeway::ua {
namespace {

using namespace std::string_literals;
using test::Folder;
using test::read_wav;
using test::tone;

std::string header(std::uint16_t format, std::uint16_t channels, std::uint32_t rate, std::uint16_t bits) {
  const auto number = [](std::uint32_t value, int size) {
    std::string bytes;
    for (; size > 0; --size, value >>= 8) bytes += static_cast<char>(value & 0xff);
    return bytes;
  };
  return "RIFF\xff\xff\xff\xffWAVELIST\x03\x00\x00\x00odd\x00"s + "fmt " + number(16, 4) + number(format, 2) +
         number(channels, 2) + number(rate, 4) + number(rate * channels * 2, 4) + number(channels * 2U, 2) +
         number(bits, 2) + "data" + number(8, 4);
}

TEST(Wav, WhatIsWrittenIsRead) {
  Folder folder;
  const auto samples = tone(16000, 440, 0.5);
  const test::Recording all = read_wav(folder.write("a.wav", 16000, samples));
  EXPECT_EQ(all.rate, 16000U);
  EXPECT_EQ(all.samples, samples);
}

TEST(Wav, OtherChunksArePassedOverAndTwoChannelsMixed) {
  const auto layout = parse_wav(header(1, 2, 48000, 16));
  ASSERT_TRUE(layout) << layout.error().message;
  EXPECT_EQ(layout->rate, 48000U);
  EXPECT_EQ(layout->channels, 2U);
  EXPECT_EQ(layout->bytes, 8U);
  Folder folder;
  std::ofstream(folder.file("b.wav"), std::ios::binary)
      << header(1, 2, 48000, 16) << "\x10\x00\x20\x00\x00\x01\x00\x03"s
      << "after";
  EXPECT_EQ(read_wav(folder.file("b.wav")).samples, (std::vector<std::int16_t>{0x18, 0x200}));
}

TEST(Wav, WhatIsRefusedSaysWhatWasExpected) {
  EXPECT_FALSE(parse_wav("RIFF"));
  EXPECT_FALSE(parse_wav("OggS................"));
  EXPECT_NE(parse_wav(header(1, 1, 44100, 16)).error().message.find("found 44100"), std::string::npos);
  EXPECT_NE(parse_wav(header(3, 1, 8000, 32)).error().message.find("16-bit PCM"), std::string::npos);
  EXPECT_NE(parse_wav(header(1, 6, 8000, 16)).error().message.find("found 6"), std::string::npos);
  EXPECT_FALSE(parse_wav("RIFF....WAVEdata\x01\x00\x00\x00"s));
  EXPECT_FALSE(WavReader::open("/nowhere/a.wav"));
  EXPECT_FALSE(WavWriter::create("/nowhere/a.wav", 8000));
}

TEST(Wav, SamplesBehindALongHeaderAreNotLookedFor) {
  const std::string whole = header(1, 1, 8000, 16);
  const std::string filler = "junk\x00\x00\x01\x00"s + std::string(limits::kMaxWavHeader, ' ');
  const std::string late = whole.substr(0, 12) + filler + whole.substr(12);
  Folder folder;
  std::ofstream(folder.file("c.wav"), std::ios::binary) << late;
  const auto reader = WavReader::open(folder.file("c.wav"));
  ASSERT_FALSE(reader);
  EXPECT_NE(reader.error().message.find("65536"), std::string::npos) << reader.error().message;
}

TEST(Wav, AFileThatIsShorterThanItSaysEnds) {
  Folder folder;
  std::ofstream(folder.file("d.wav"), std::ios::binary) << header(1, 1, 8000, 16) << "\x01\x00\x02"s;
  EXPECT_EQ(read_wav(folder.file("d.wav")).samples, (std::vector<std::int16_t>{1}));
}

TEST(Wav, TheHeaderIsRightWhenTheProgramIsKilled) {
  Folder folder;
  const auto samples = tone(16000, 440, 0.02);
  const pid_t child = fork();
  if (child == 0) {
    auto writer = WavWriter::create(folder.file("killed.wav"), 16000);
    for (int frame = 0; frame < 170; ++frame) writer->write(samples);
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(read_wav(folder.file("killed.wav")).samples.size(), 16000U * 3);
}

TEST(Wav, ARecordingEndsWhereItsHeaderCannotSayMore) {
  Folder folder;
  auto writer = WavWriter::create(folder.file("long.wav"), 8000, 500);
  ASSERT_TRUE(writer);
  const std::vector<std::int16_t> frame(160);
  EXPECT_TRUE(writer->write(frame));
  EXPECT_FALSE(writer->write(frame));
  EXPECT_FALSE(writer->write(frame));
}

}  // namespace
}  // namespace causeway::ua
