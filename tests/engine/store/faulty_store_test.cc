#include "engine/store/faulty_store.h"

#include <bit>
#include <set>

#include "base/testing.h"

namespace coffer::store {
namespace {

using Kind = Fault::Kind;
const Context kContext;

class FaultyStoreTest : public ::testing::Test {
 protected:
  FaultyStoreTest() { must(inner_->put(kContext, "there", as_bytes("0123456789"))); }
  // Fails the calls of one operation.
  FaultyStore failing(Operation wanted, Fault fault) {
    return FaultyStore(*inner_, [=](uint64_t, Operation operation, std::string_view) -> std::optional<Fault> {
      if (operation == wanted) return fault;
      return std::nullopt;
    });
  }
  bool exists(std::string_view key) { return inner_->head(kContext, key).ok(); }

  std::unique_ptr<ObjectStore> inner_ = open_memory();
};

TEST_F(FaultyStoreTest, DecidesByNumberOperationAndKey) {
  std::vector<std::string> asked;
  FaultyStore store(*inner_, [&](uint64_t call, Operation operation, std::string_view key) -> std::optional<Fault> {
    asked.push_back(std::to_string(call) + " " + std::to_string(static_cast<int>(operation)) + " " + std::string(key));
    return std::nullopt;
  });
  must(store.put(kContext, "a", {}));
  must(store.get(kContext, "there", 0, 1));
  must(store.head(kContext, "there"));
  must(store.view(kContext, "there"));
  must(store.list(kContext, "x/", [](const ObjectInfo&) { return true; }));
  must(store.remove(kContext, "a"));

  EXPECT_EQ(asked, (std::vector<std::string>{"1 0 a", "2 1 there", "3 2 there", "4 3 there", "5 4 x/", "6 5 a"}));
  EXPECT_EQ(store.calls(), 6U);
}

TEST_F(FaultyStoreTest, ErrorLeavesTheInnerStoreAlone) {
  FaultyStore store(*inner_, [](uint64_t, Operation, std::string_view) {
    return Fault{.kind = Kind::kError, .code = ErrorCode::kThrottled};
  });

  EXPECT_TRUE(fails_with(store.put(kContext, "a", {}), ErrorCode::kThrottled, "a"));
  EXPECT_TRUE(fails_with(store.remove(kContext, "there"), ErrorCode::kThrottled));
  EXPECT_TRUE(fails_with(store.get(kContext, "there", 0, 1), ErrorCode::kThrottled));
  EXPECT_TRUE(fails_with(store.head(kContext, "there"), ErrorCode::kThrottled));
  EXPECT_TRUE(fails_with(store.view(kContext, "there"), ErrorCode::kThrottled));
  EXPECT_TRUE(fails_with(store.list(kContext, "", [](const ObjectInfo&) { return true; }), ErrorCode::kThrottled));
  EXPECT_FALSE(exists("a"));
  EXPECT_TRUE(exists("there"));
}

TEST_F(FaultyStoreTest, ErrorAfterHappenedAndFails) {
  FaultyStore puts = failing(Operation::kPut, {.kind = Kind::kErrorAfter});
  FaultyStore removes = failing(Operation::kRemove, {.kind = Kind::kErrorAfter});

  EXPECT_TRUE(fails_with(puts.put(kContext, "a", {}), ErrorCode::kUnavailable));
  EXPECT_TRUE(fails_with(removes.remove(kContext, "there"), ErrorCode::kUnavailable));
  EXPECT_TRUE(exists("a"));
  EXPECT_FALSE(exists("there"));
}

TEST_F(FaultyStoreTest, ErrorOfTheInnerStoreComesFirst) {
  FaultyStore store = failing(Operation::kPut, {.kind = Kind::kErrorAfter});

  EXPECT_TRUE(fails_with(store.put(kContext, "there", {}), ErrorCode::kAlreadyExists));
}

TEST_F(FaultyStoreTest, TornPutLeavesHalfUnderTheKey) {
  FaultyStore store = failing(Operation::kPut, {.kind = Kind::kTornPut});

  EXPECT_TRUE(fails_with(store.put(kContext, "a", as_bytes("12345678")), ErrorCode::kUnavailable));
  EXPECT_EQ(to_text(must(inner_->get_all(kContext, "a"))), "1234");
}

TEST_F(FaultyStoreTest, LostPutSucceedsAndStoresNothing) {
  FaultyStore store = failing(Operation::kPut, {.kind = Kind::kLostPut});

  EXPECT_EQ(must(store.put(kContext, "a", as_bytes("1234"))).size_bytes, 4U);
  EXPECT_FALSE(exists("a"));
}

TEST_F(FaultyStoreTest, FlippedBitIsOneBitInGetAndView) {
  FaultyStore store(*inner_, [](uint64_t, Operation, std::string_view) { return Fault{.kind = Kind::kFlipBit}; });
  const Bytes before = to_bytes("0123456789");
  auto flipped_bits = [&](ByteView after) {
    int bits = 0;
    for (size_t i = 0; i < before.size(); ++i) bits += std::popcount(std::to_integer<unsigned>(before[i] ^ after[i]));
    return bits;
  };

  EXPECT_EQ(flipped_bits(must(store.get(kContext, "there", 0, 10))), 1);
  EXPECT_EQ(flipped_bits(must(store.view(kContext, "there"))->bytes()), 1);
  EXPECT_EQ(must(inner_->get_all(kContext, "there")), before);
}

TEST_F(FaultyStoreTest, FlippedBitsOfManyCallsCoverTheObject) {
  FaultyStore store(*inner_, [](uint64_t, Operation, std::string_view) { return Fault{.kind = Kind::kFlipBit}; });
  std::set<std::string> results;
  for (int i = 0; i < 2000; ++i) results.insert(to_text(must(store.get(kContext, "there", 0, 10))));

  EXPECT_EQ(results.size(), 80U) << "each of the bits once at least";
}

TEST_F(FaultyStoreTest, FlipOfNothingIsNothing) {
  must(inner_->put(kContext, "empty", {}));
  FaultyStore store(*inner_, [](uint64_t, Operation, std::string_view) { return Fault{.kind = Kind::kFlipBit}; });

  EXPECT_TRUE(must(store.get_all(kContext, "empty")).empty());
  EXPECT_TRUE(must(store.view(kContext, "empty"))->bytes().empty());
}

TEST_F(FaultyStoreTest, CrashUnwindsBeforeOrAfterTheCall) {
  FaultyStore before = failing(Operation::kPut, {.kind = Kind::kCrash});
  FaultyStore after = failing(Operation::kPut, {.kind = Kind::kCrashAfter});

  EXPECT_THROW((void)before.put(kContext, "a", {}), SimulatedCrash);
  EXPECT_THROW((void)after.put(kContext, "b", {}), SimulatedCrash);
  EXPECT_FALSE(exists("a"));
  EXPECT_TRUE(exists("b"));
}

TEST_F(FaultyStoreTest, AfterACrashNothingHappensAnyMore) {
  FaultyStore store = failing(Operation::kPut, {.kind = Kind::kCrash});
  EXPECT_THROW((void)store.put(kContext, "a", {}), SimulatedCrash);

  EXPECT_TRUE(fails_with(store.put(kContext, "a", {}), ErrorCode::kUnavailable));
  EXPECT_TRUE(fails_with(store.remove(kContext, "there"), ErrorCode::kUnavailable));
  EXPECT_TRUE(exists("there"));
}

}  // namespace
}  // namespace coffer::store
