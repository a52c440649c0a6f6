#include "sip/flat_index.h"

#include <array>
#include <map>

#include <gtest/gtest.h>

#include "base/random.h"
#include "sip/hash.h"
#include "sip/slab.h"

namespace causeway::sip {
namespace {

auto is(std::uint32_t wanted) {
  return [wanted](std::uint32_t block) { return block == wanted; };
}

TEST(FlatIndex, AgreesWithAMapThroughCollisionsGrowthAndErasure) {
  base::Random random(7);
  FlatIndex index;
  std::map<std::uint32_t, std::uint64_t> model;  // block -> hash
  for (std::uint32_t step = 0; step < 12000; ++step) {
    if (model.empty() || random.below(5) > 1) {
      // Few different hashes, next to each other and at the end of the table: long clusters that wrap.
      const std::uint64_t hash = random.below(4) ? random.u64() : random.below(64) - 32;
      index.insert(hash, step);
      model[step] = hash;
    } else {
      auto victim = model.lower_bound(static_cast<std::uint32_t>(random.below(step)));
      if (victim == model.end()) victim = model.begin();
      index.erase(victim->second, victim->first);
      ASSERT_EQ(index.find(victim->second, is(victim->first)), FlatIndex::kNone);
      model.erase(victim);
    }
    ASSERT_EQ(index.size(), model.size());
    if (step % 499 != 0) continue;
    for (const auto& [block, hash] : model) ASSERT_EQ(index.find(hash, is(block)), block);
  }
  for (const auto& [block, hash] : model) index.erase(hash, block);
  EXPECT_EQ(index.size(), 0u);
}

TEST(FlatIndex, ErasingWhatIsNotThereChangesNothing) {
  FlatIndex index;
  index.insert(5, 1);
  index.erase(5, 2);
  index.erase(6, 1);
  EXPECT_EQ(index.find(5, is(1)), 1u);
  EXPECT_EQ(index.size(), 1u);
}

TEST(FlatIndex, OneBlockMayStandUnderSeveralHashes) {
  FlatIndex index;
  for (std::uint64_t hash : {5, 6, 5, 7}) index.insert(hash, 1);
  index.erase(6, 1);
  EXPECT_EQ(index.find(5, is(1)), 1u);
  EXPECT_EQ(index.find(6, is(1)), FlatIndex::kNone);
  EXPECT_EQ(index.find(7, is(1)), 1u);
  index.erase(5, 1);
  EXPECT_EQ(index.find(5, is(1)), 1u);
  index.erase(5, 1);
  EXPECT_EQ(index.find(5, is(1)), FlatIndex::kNone);
  EXPECT_EQ(index.size(), 1u);
}

TEST(Slab, ReusesTheLastBlockAndKeepsAddresses) {
  struct Block {
    std::uint32_t index, next_free;
  };
  Slab<Block> slab;
  Block& first = slab.take();
  std::vector<Block*> many;
  for (int i = 0; i < 1000; ++i) many.push_back(&slab.take());
  EXPECT_EQ(slab.in_use(), 1001u);
  EXPECT_EQ(&slab[first.index], &first);
  for (Block* block : many) EXPECT_EQ(&slab[block->index], block);
  slab.give_back(*many[500]);
  EXPECT_EQ(&slab.take(), many[500]);
  EXPECT_TRUE(slab.has(1000));
  EXPECT_FALSE(slab.has(100'000));
}

// Beyond the first half megabyte, chunks lie in huge pages.
TEST(Slab, KeepsManyLargeBlocks) {
  struct Block {
    std::uint32_t index, next_free;
    std::array<char, 1000> bytes{};
  };
  Slab<Block> slab;
  std::vector<Block*> many;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    many.push_back(&slab.take());
    many.back()->bytes.fill(static_cast<char>(i));
  }
  for (std::uint32_t i = 0; i < many.size(); ++i) {
    ASSERT_EQ(&slab[many[i]->index], many[i]);
    ASSERT_EQ(many[i]->bytes.front(), static_cast<char>(i));
    ASSERT_EQ(many[i]->bytes.back(), static_cast<char>(i));
  }
}

TEST(KeyedHash, DependsOnEveryByteTheLengthAndTheSeed) {
  const std::string text = "the quick brown fox jumps over the lazy dog";
  for (std::size_t length = 1; length < text.size(); ++length) {
    const std::string part = text.substr(0, length);
    const auto hash = keyed_hash(part, 1);
    EXPECT_NE(hash, keyed_hash(part, 2));
    EXPECT_NE(hash, keyed_hash(part + std::string(1, '\0'), 1));
    for (std::size_t i = 0; i < length; ++i) {
      std::string other = part;
      other[i] ^= 1;
      EXPECT_NE(hash, keyed_hash(other, 1)) << length << " " << i;
    }
  }
  EXPECT_EQ(keyed_hash("", 1), keyed_hash("", 1));
}

}  // namespace
}  // namespace causeway::sip
