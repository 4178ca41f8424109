// What every ObjectStore promises, run over each of them. A new backend adds a line at the end.
#include <algorithm>
#include <atomic>
#include <map>
#include <random>

#include "base/faulty_filesystem.h"
#include "base/tasks.h"
#include "base/testing.h"
#include "engine/store/faulty_store.h"
#include "engine/store/foreign_s3.h"
#include "engine/store/object_store.h"
#include "engine/store/s3_testing.h"

namespace coffer::store {
namespace {

// A store and what it stands on.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual ObjectStore& store() = 0;
};

class MemoryBackend : public Backend {
 public:
  ObjectStore& store() override { return *store_; }

 private:
  std::unique_ptr<ObjectStore> store_ = open_memory();
};

class LocalBackend : public Backend {
 public:
  ObjectStore& store() override { return *store_; }

 private:
  TemporaryDirectory directory_;
  PosixFileSystem file_system_;
  std::unique_ptr<ObjectStore> store_ = must(open_local(file_system_, directory_.path("vault"), true));
};

// A local directory on a file system that cannot give an unnamed file a name.
class LocalNamedBackend : public Backend {
 public:
  ObjectStore& store() override { return *store_; }

 private:
  TemporaryDirectory directory_;
  PosixFileSystem posix_;
  std::atomic<bool> refused_ = false;
  FaultyFileSystem file_system_{posix_, [this](const FileCall& call) -> std::optional<FileFault> {
                                  if (call.operation == "link" && !refused_.exchange(true)) return FileFault{};
                                  return std::nullopt;
                                }};
  std::unique_ptr<ObjectStore> store_ = must(open_local(file_system_, directory_.path("vault"), true));
};

class FaultlessBackend : public Backend {
 public:
  ObjectStore& store() override { return faulty_; }

 private:
  std::unique_ptr<ObjectStore> inner_ = open_memory();
  FaultyStore faulty_{*inner_, [](uint64_t, Operation, std::string_view) { return std::nullopt; }};
};

// The fake server of s3_testing.h.
class FakeS3Backend : public Backend {
 public:
  explicit FakeS3Backend(FakeS3::Options options = {}) : world_(std::move(options)) {}
  ObjectStore& store() override { return world_.store(); }

 private:
  S3World world_;
};

// A server of somebody else's, in a bucket of its own.
class ForeignS3Backend : public Backend {
 public:
  ObjectStore& store() override { return *store_; }

 private:
  ForeignS3& server_ = *ForeignS3::running();
  SystemClock clock_;
  SystemEntropy entropy_;
  PosixFileSystem files_;
  std::unique_ptr<ObjectStore> store_ =
      must(open_s3(clock_, entropy_, files_, server_.environment(), server_.fresh_url()));
};

struct Kind {
  const char* name;
  std::function<std::unique_ptr<Backend>()> make;
  bool has_folders = true;
  bool is_foreign = false;
};

class ObjectStoreContract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam().is_foreign && !ForeignS3::running()) GTEST_SKIP() << ForeignS3::why_not();
    backend_ = GetParam().make();
  }
  ObjectStore& store() { return backend_->store(); }
  static Context ctx() { return {}; }
  std::string content(std::string_view key) { return to_text(must(store().get_all(ctx(), key))); }
  std::vector<std::string> keys(std::string_view prefix) {
    std::vector<std::string> found;
    EXPECT_TRUE(succeeds(store().list(ctx(), prefix, [&](const ObjectInfo& info) {
      found.push_back(info.key);
      return true;
    })));
    return found;
  }
  void fill(const std::vector<std::string>& all) {
    for (const auto& key : all) must(store().put(ctx(), key, as_bytes(key)));
  }

 private:
  std::unique_ptr<Backend> backend_;
};

using Keys = std::vector<std::string>;

TEST_P(ObjectStoreContract, GivesBackWhatWasPut) {
  const ObjectInfo info = must(store().put(ctx(), "packs/a", as_bytes("first")));

  EXPECT_EQ(info.key, "packs/a");
  EXPECT_EQ(info.size_bytes, 5U);
  EXPECT_EQ(content("packs/a"), "first");
}

// What a reader may already trust must not change under it.
TEST_P(ObjectStoreContract, PutNeverReplacesAnExistingObject) {
  must(store().put(ctx(), "packs/a", as_bytes("first")));

  EXPECT_TRUE(fails_with(store().put(ctx(), "packs/a", as_bytes("other")), ErrorCode::kAlreadyExists, "packs/a"));
  EXPECT_TRUE(fails_with(store().put(ctx(), "packs/a", as_bytes("first")), ErrorCode::kAlreadyExists));
  EXPECT_EQ(content("packs/a"), "first");
}

TEST_P(ObjectStoreContract, OfManyPutsAtOnceExactlyOneWins) {
  for (int round = 0; round < 10; ++round) {
    const std::string key = "race/" + std::to_string(round);
    std::atomic<int> winner = -1, winners = 0, losers = 0;
    TaskGroup group{Context()};
    for (int racer = 0; racer < 8; ++racer)
      group.spawn([&, racer]() -> Status {
        auto put = store().put(group.context(), key, to_bytes(std::to_string(racer)));
        if (put.ok()) {
          winner = racer;
          ++winners;
        } else if (put.code() == ErrorCode::kAlreadyExists) {
          ++losers;
        } else {
          return std::move(put).error();
        }
        return ok_status();
      });
    ASSERT_TRUE(succeeds(group.wait()));
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(losers, 7);
    EXPECT_EQ(content(key), std::to_string(winner));
  }
}

TEST_P(ObjectStoreContract, GetGivesExactlyTheRange) {
  must(store().put(ctx(), "a", as_bytes("0123456789")));

  EXPECT_EQ(to_text(must(store().get(ctx(), "a", 0, 10))), "0123456789");
  EXPECT_EQ(to_text(must(store().get(ctx(), "a", 3, 4))), "3456");
  EXPECT_EQ(to_text(must(store().get(ctx(), "a", 9, 1))), "9");
  EXPECT_EQ(to_text(must(store().get(ctx(), "a", 10, 0))), "");
}

TEST_P(ObjectStoreContract, RangeBeyondTheEndIsCorruption) {
  must(store().put(ctx(), "packs/a", as_bytes("0123456789")));
  const uint64_t most = ~uint64_t{0};

  for (auto [offset, length] : std::vector<std::pair<uint64_t, uint64_t>>{
           {0, 11}, {10, 1}, {11, 0}, {9, 2}, {most, 1}, {1, most}, {most, most}, {0, most}, {0, uint64_t{1} << 62}})
    EXPECT_TRUE(fails_with(store().get(ctx(), "packs/a", offset, length), ErrorCode::kCorruption, "packs/a"))
        << offset << " " << length;
}

TEST_P(ObjectStoreContract, MissingObjectIsNotFoundByName) {
  must(store().put(ctx(), "packs/a", as_bytes("x")));

  for (std::string_view key : {"packs/b", "none", "none/below", "packs", "packs/a/below"}) {
    EXPECT_TRUE(fails_with(store().get(ctx(), key, 0, 0), ErrorCode::kNotFound, key)) << key;
    EXPECT_TRUE(fails_with(store().head(ctx(), key), ErrorCode::kNotFound, key)) << key;
    EXPECT_TRUE(fails_with(store().view(ctx(), key), ErrorCode::kNotFound, key)) << key;
    EXPECT_TRUE(fails_with(store().get_all(ctx(), key), ErrorCode::kNotFound, key)) << key;
    EXPECT_TRUE(succeeds(store().remove(ctx(), key))) << key;
  }
  EXPECT_EQ(content("packs/a"), "x");
}

TEST_P(ObjectStoreContract, HeadTellsTheSize) {
  must(store().put(ctx(), "packs/a", Bytes(12345)));

  const ObjectInfo info = must(store().head(ctx(), "packs/a"));

  EXPECT_EQ(info.key, "packs/a");
  EXPECT_EQ(info.size_bytes, 12345U);
}

TEST_P(ObjectStoreContract, GetAllKeepsItsLimit) {
  must(store().put(ctx(), "a", Bytes(100)));

  EXPECT_EQ(must(store().get_all(ctx(), "a", 100)).size(), 100U);
  EXPECT_TRUE(fails_with(store().get_all(ctx(), "a", 99), ErrorCode::kCorruption, "a"));
}

TEST_P(ObjectStoreContract, ListIsAscendingOverNestedKeys) {
  // '-' and '.' sort before '/', the digits and letters after it.
  Keys all = {"a-b", "a.b", "a/b", "a0", "a/b-c/d", "a/b0/c", "b", "a/c/d/e/f/g", "B", "_", "a_"};
  all.erase(std::remove(all.begin(), all.end(), "a/b"), all.end());
  fill(all);

  std::sort(all.begin(), all.end());
  EXPECT_EQ(keys(""), all);
}

TEST_P(ObjectStoreContract, ListTellsSizes) {
  must(store().put(ctx(), "x/a", Bytes(7)));
  must(store().put(ctx(), "x/b", {}));
  std::map<std::string, uint64_t> sizes;

  must(store().list(ctx(), "x/", [&](const ObjectInfo& info) { return sizes[info.key] = info.size_bytes, true; }));

  EXPECT_EQ(sizes, (std::map<std::string, uint64_t>{{"x/a", 7}, {"x/b", 0}}));
}

TEST_P(ObjectStoreContract, ListKeepsToItsPrefix) {
  fill({"packs/00/a", "packs/01/b", "packs/01/c/d", "packs/011/e", "packs-other", "points/x"});

  EXPECT_EQ(keys("packs/01/"), (Keys{"packs/01/b", "packs/01/c/d"}));
  EXPECT_EQ(keys("packs/"), (Keys{"packs/00/a", "packs/01/b", "packs/01/c/d", "packs/011/e"}));
  EXPECT_EQ(keys("none/"), Keys{});
  EXPECT_EQ(keys("points/x/"), Keys{}) << "an object is no folder";
}

TEST_P(ObjectStoreContract, ListRefusesABadPrefix) {
  for (std::string_view prefix : {"packs", "/", "a//", "../", "a/../", ".tmp-x/"})
    EXPECT_TRUE(
        fails_with(store().list(ctx(), prefix, [](const ObjectInfo&) { return true; }), ErrorCode::kInvalidArgument))
        << prefix;
}

TEST_P(ObjectStoreContract, ListStopsWhenTheVisitorSaysSo) {
  fill({"a/1", "a/2", "b/1", "b/2"});
  Keys seen;

  must(store().list(ctx(), "", [&](const ObjectInfo& info) {
    seen.push_back(info.key);
    return seen.size() < 3;
  }));

  EXPECT_EQ(seen, (Keys{"a/1", "a/2", "b/1"}));
}

TEST_P(ObjectStoreContract, VisitorMayUseTheStore) {
  fill({"a/1", "a/2", "a/3"});

  must(store().list(ctx(), "a/", [&](const ObjectInfo& info) {
    EXPECT_EQ(content(info.key), info.key);
    must(store().remove(ctx(), info.key));
    return true;
  }));

  EXPECT_EQ(keys(""), Keys{});
}

TEST_P(ObjectStoreContract, RemoveTakesTheObjectAndMayBeRepeated) {
  fill({"packs/a", "packs/b"});

  EXPECT_TRUE(succeeds(store().remove(ctx(), "packs/a")));
  EXPECT_TRUE(succeeds(store().remove(ctx(), "packs/a")));

  EXPECT_TRUE(fails_with(store().head(ctx(), "packs/a"), ErrorCode::kNotFound));
  EXPECT_EQ(keys(""), Keys{"packs/b"});
}

TEST_P(ObjectStoreContract, RemovedKeyIsFreeAgain) {
  must(store().put(ctx(), "packs/a", as_bytes("first")));
  must(store().remove(ctx(), "packs/a"));

  must(store().put(ctx(), "packs/a", as_bytes("other")));

  EXPECT_EQ(content("packs/a"), "other");
}

TEST_P(ObjectStoreContract, ViewShowsTheWholeObject) {
  must(store().put(ctx(), "packs/a", as_bytes("first")));
  must(store().put(ctx(), "empty", {}));

  EXPECT_EQ(as_text(must(store().view(ctx(), "packs/a"))->bytes()), "first");
  EXPECT_TRUE(must(store().view(ctx(), "empty"))->bytes().empty());
}

TEST_P(ObjectStoreContract, ViewOutlivesTheRemovalOfItsObject) {
  must(store().put(ctx(), "packs/a", as_bytes("first")));
  auto view = must(store().view(ctx(), "packs/a"));

  must(store().remove(ctx(), "packs/a"));
  must(store().put(ctx(), "packs/a", as_bytes("other")));

  EXPECT_EQ(as_text(view->bytes()), "first");
}

TEST_P(ObjectStoreContract, KeysWithManyOrLongComponentsWork) {
  std::string deep = "k";
  while (deep.size() + 2 <= 512) deep += "/k";
  const std::string wide = std::string(255, 'w') + "/" + std::string(255, 'w');
  fill({deep, wide});

  EXPECT_EQ(content(deep), deep);
  EXPECT_EQ(content(wide), wide);
  EXPECT_EQ(keys(""), (Keys{deep, wide}));
}

TEST_P(ObjectStoreContract, BadKeysAreRefusedByEveryCall) {
  const Keys bad = {"",
                    "/",
                    "/a",
                    "a/",
                    "a//b",
                    ".",
                    "..",
                    "a/..",
                    "../a",
                    "a/.",
                    "a b",
                    "a\nb",
                    "a:b",
                    "\xc3\xa4",
                    "a\\b",
                    ".tmp-1",
                    "packs/.tmp-x",
                    std::string("a\0b", 3),
                    "~a",
                    "a*",
                    std::string(513, 'a'),
                    std::string(256, 'a')};
  for (const std::string& key : bad) {
    EXPECT_TRUE(fails_with(store().put(ctx(), key, {}), ErrorCode::kInvalidArgument)) << key;
    EXPECT_TRUE(fails_with(store().get(ctx(), key, 0, 0), ErrorCode::kInvalidArgument)) << key;
    EXPECT_TRUE(fails_with(store().head(ctx(), key), ErrorCode::kInvalidArgument)) << key;
    EXPECT_TRUE(fails_with(store().view(ctx(), key), ErrorCode::kInvalidArgument)) << key;
    EXPECT_TRUE(fails_with(store().remove(ctx(), key), ErrorCode::kInvalidArgument)) << key;
  }
  EXPECT_EQ(keys(""), Keys{});
}

// A caller that is told "it exists" would trust an object that is not there.
TEST_P(ObjectStoreContract, KeyThatIsAFolderOfAnotherIsInvalidAndNotTaken) {
  if (!GetParam().has_folders) GTEST_SKIP() << "keys are flat names there, and a folder is not looked for";
  must(store().put(ctx(), "a/b", as_bytes("x")));

  EXPECT_TRUE(fails_with(store().put(ctx(), "a", {}), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(store().put(ctx(), "a/b/c", {}), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(fails_with(store().put(ctx(), "a/b/c/d", {}), ErrorCode::kInvalidArgument));
  EXPECT_EQ(keys(""), Keys{"a/b"});
}

TEST_P(ObjectStoreContract, SizesFromNothingToTheLargestWork) {
  Bytes largest(kObjectSizeMax);
  for (size_t i = 0; i < largest.size(); i += 4096) largest[i] = static_cast<std::byte>(i / 4096 * 31);
  for (size_t size : {size_t{0}, size_t{1}, size_t{4096}, size_t{1'000'003}, largest.size()}) {
    const std::string key = "sizes/" + std::to_string(size);
    must(store().put(ctx(), key, ByteView(largest).first(size)));
    EXPECT_TRUE(equal(must(store().get_all(ctx(), key)), ByteView(largest).first(size))) << size;
    EXPECT_TRUE(equal(must(store().view(ctx(), key))->bytes(), ByteView(largest).first(size))) << size;
  }
}

TEST_P(ObjectStoreContract, BodyLargerThanTheLargestIsRefused) {
  EXPECT_TRUE(fails_with(store().put(ctx(), "a", Bytes(kObjectSizeMax + 1)), ErrorCode::kInvalidArgument));
  EXPECT_EQ(keys(""), Keys{});
}

TEST_P(ObjectStoreContract, EveryCallHonoursAStop) {
  fill({"a"});
  StopSource stop;
  stop.request_stop();
  const Context stopped(stop);

  EXPECT_TRUE(fails_with(store().put(stopped, "b", {}), ErrorCode::kCancelled));
  EXPECT_TRUE(fails_with(store().get(stopped, "a", 0, 1), ErrorCode::kCancelled));
  EXPECT_TRUE(fails_with(store().head(stopped, "a"), ErrorCode::kCancelled));
  EXPECT_TRUE(fails_with(store().view(stopped, "a"), ErrorCode::kCancelled));
  EXPECT_TRUE(fails_with(store().list(stopped, "", [](const ObjectInfo&) { return true; }), ErrorCode::kCancelled));
  EXPECT_TRUE(fails_with(store().remove(stopped, "a"), ErrorCode::kCancelled));
  EXPECT_EQ(keys(""), Keys{"a"});
}

TEST_P(ObjectStoreContract, StopDuringAListEndsIt) {
  fill({"a", "b", "c"});
  StopSource stop;
  int seen = 0;

  Status status = store().list(Context(stop), "", [&](const ObjectInfo&) {
    ++seen;
    stop.request_stop();
    return true;
  });

  EXPECT_TRUE(fails_with(status, ErrorCode::kCancelled));
  EXPECT_EQ(seen, 1);
}

TEST_P(ObjectStoreContract, ProbeFindsThatCreationIsConditional) {
  SeededEntropy entropy(1);
  ASSERT_TRUE(store().capabilities().conditional_create);

  EXPECT_TRUE(succeeds(probe_conditional_create(ctx(), store(), entropy)));
  EXPECT_EQ(keys(""), Keys{}) << "it cleans up";
}

TEST_P(ObjectStoreContract, AgreesWithAMap) {
  std::mt19937_64 random(1);
  std::map<std::string, std::string> model;
  for (int step = 0; step < 1500; ++step) {
    const std::string key = std::string(1, static_cast<char>('a' + random() % 3)) + "/" + std::to_string(random() % 4) +
                            (random() % 2 == 0 ? "/x" : ".y");
    switch (random() % 4) {
      case 0: {
        const std::string body(random() % 100, static_cast<char>('a' + random() % 26));
        ASSERT_EQ(store().put(ctx(), key, as_bytes(body)).ok(), model.emplace(key, body).second);
        break;
      }
      case 1: {
        auto got = store().get_all(ctx(), key);
        ASSERT_EQ(got.ok(), model.contains(key));
        if (got.ok()) {
          ASSERT_EQ(to_text(*got), model[key]);
        }
        break;
      }
      case 2:
        must(store().remove(ctx(), key));
        model.erase(key);
        break;
      default: {
        const std::string prefix = random() % 2 == 0 ? "" : key.substr(0, 2);
        Keys expected;
        for (const auto& [name, body] : model)
          if (name.starts_with(prefix)) expected.push_back(name);
        ASSERT_EQ(keys(prefix), expected);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Stores, ObjectStoreContract,
    ::testing::Values(Kind{"Memory", [] { return std::make_unique<MemoryBackend>(); }},
                      Kind{"Local", [] { return std::make_unique<LocalBackend>(); }},
                      Kind{"LocalWithoutUnnamedFiles", [] { return std::make_unique<LocalNamedBackend>(); }},
                      Kind{"FaultyWithoutFaults", [] { return std::make_unique<FaultlessBackend>(); }},
                      Kind{"S3", [] { return std::make_unique<FakeS3Backend>(); }, false},
                      Kind{"S3WithoutChecksumsMetadataAndRanges",
                           [] {
                             return std::make_unique<FakeS3Backend>(FakeS3::Options{
                                 .checksums = false, .metadata = false, .ranges = false, .page_size = 2});
                           },
                           false},
                      Kind{"ForeignS3", [] { return std::make_unique<ForeignS3Backend>(); }, false, true}),
    [](const auto& kind) { return kind.param.name; });

// A backend that only looks first and then writes, as a file server without atomic creation does.
class OverwritingStore final : public ObjectStore {
 public:
  [[nodiscard]] Capabilities capabilities() const override { return {}; }
  [[nodiscard]] std::string describe() const override { return "overwriting"; }
  Result<ObjectInfo> put(const Context& context, std::string_view key, ByteView body) override {
    COFFER_CHECK_OK(inner_->remove(context, key));
    auto put = inner_->put(context, key, body);
    if (!put.ok() && put.code() == ErrorCode::kAlreadyExists) return ObjectInfo{std::string(key), body.size()};
    return put;
  }
  Result<Bytes> get(const Context& context, std::string_view key, uint64_t offset, uint64_t length) override {
    return inner_->get(context, key, offset, length);
  }
  Result<ObjectInfo> head(const Context& context, std::string_view key) override { return inner_->head(context, key); }
  Result<std::unique_ptr<ObjectView>> view(const Context& context, std::string_view key) override {
    return inner_->view(context, key);
  }
  Status list(const Context& context, std::string_view prefix, const Visitor& visit) override {
    return inner_->list(context, prefix, visit);
  }
  Status remove(const Context& context, std::string_view key) override { return inner_->remove(context, key); }

 private:
  std::unique_ptr<ObjectStore> inner_ = open_memory();
};

TEST(ProbeConditionalCreate, NamesABackendThatReplaces) {
  OverwritingStore store;
  SeededEntropy entropy(1);

  EXPECT_TRUE(
      fails_with(probe_conditional_create(Context(), store, entropy), ErrorCode::kFailedPrecondition, "overwriting"));
}

TEST(ProbeConditionalCreate, NamesABackendWhereTheWinnersBytesAreLost) {
  auto inner = open_memory();
  bool first = true;
  FaultyStore store(*inner, [&](uint64_t, Operation operation, std::string_view) -> std::optional<Fault> {
    if (operation == Operation::kGet && std::exchange(first, false)) return Fault{.kind = Fault::Kind::kFlipBit};
    return std::nullopt;
  });
  SeededEntropy entropy(1);

  EXPECT_TRUE(
      fails_with(probe_conditional_create(Context(), store, entropy), ErrorCode::kFailedPrecondition, "other bytes"));
}

TEST(ProbeConditionalCreate, PassesAnErrorOfTheBackendUp) {
  auto inner = open_memory();
  FaultyStore store(*inner, [&](uint64_t call, Operation, std::string_view) -> std::optional<Fault> {
    if (call == 2) return Fault{.kind = Fault::Kind::kError, .code = ErrorCode::kResourceExhausted};
    return std::nullopt;
  });
  SeededEntropy entropy(1);

  EXPECT_TRUE(fails_with(probe_conditional_create(Context(), store, entropy), ErrorCode::kResourceExhausted));
}

}  // namespace
}  // namespace coffer::store
