#include "engine/vault/manifest.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/vault/json_fields.h"
#include "engine/vault/log_fixture.h"
#include "engine/vault/manifest_samples.h"

namespace coffer::vault {
namespace {

using nlohmann::json;

TEST(ManifestTest, EveryMemberComesBack) {
  const Manifest whole = full_manifest();
  const Manifest again = must(decode_manifest(encode_manifest(whole)));
  EXPECT_EQ(encode_manifest(again), encode_manifest(whole));
  EXPECT_EQ(again.id, whole.id);
  EXPECT_EQ(again.system_identifier, whole.system_identifier);
  EXPECT_EQ(again.finished, whole.finished);
  EXPECT_EQ(again.settings, whole.settings);
  EXPECT_EQ(again.tablespaces, whole.tablespaces);
  EXPECT_EQ(again.warnings, whole.warnings);
  EXPECT_EQ(again.written.reused_bytes, whole.written.reused_bytes);
  ASSERT_EQ(again.list.size(), whole.list.size());
  EXPECT_EQ(again.list[1].first_path, whole.list[1].first_path);
  EXPECT_EQ(again.list[1].id, whole.list[1].id);
  EXPECT_EQ(again.list[1].entries, whole.list[1].entries);
  ASSERT_EQ(again.packs.size(), whole.packs.size());
  EXPECT_EQ(again.packs[0].digest, whole.packs[0].digest);
  ASSERT_EQ(again.damaged_pages.size(), 1u);
  EXPECT_EQ(again.damaged_pages[0].computed, whole.damaged_pages[0].computed);
}

TEST(ManifestTest, AnEmptyOneComesBackToo) {
  Manifest empty;
  empty.id = "x";
  EXPECT_EQ(encode_manifest(must(decode_manifest(encode_manifest(empty)))), encode_manifest(empty));
}

TEST(ManifestTest, AnyBytesOfTheSourceComeBackAsTheyWere) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    Manifest m = full_manifest();
    auto any = [&] {
      std::string text(random() % 40, '\0');
      for (char& c : text) c = static_cast<char>(random() % 256);
      return text;
    };
    m.name = any();
    m.list[0].first_path = any();
    m.settings = {{any(), any()}, {any(), any()}};
    m.databases = {any(), any()};
    m.tablespaces = {{static_cast<uint32_t>(random()), any()}};
    m.system_identifier = random();
    const Manifest again = must(decode_manifest(encode_manifest(m)));
    EXPECT_EQ(again.name, m.name);
    EXPECT_EQ(again.list[0].first_path, m.list[0].first_path);
    EXPECT_EQ(again.settings, m.settings);
    EXPECT_EQ(again.databases, m.databases);
    EXPECT_EQ(again.tablespaces, m.tablespaces);
    EXPECT_EQ(again.system_identifier, m.system_identifier);
  }
}

TEST(ManifestTest, TextIsReadableAsciiWithEverythingElseEscaped) {
  EXPECT_EQ(escape_text("base/1/2619"), "base/1/2619");
  EXPECT_EQ(escape_text("100%\n\xff\x7f"), "100%25%0A%FF%7F");
  EXPECT_EQ(unescape_text("100%25%0a%FF"), "100%\n\xff");
  for (const char* bad : {"%", "%1", "%g0", "a%0", "%%%"}) EXPECT_EQ(unescape_text(bad), std::nullopt) << bad;
}

TEST(ManifestTest, EveryTruncationIsRefused) {
  const Bytes whole = encode_manifest(full_manifest());
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_TRUE(fails_with(decode_manifest(ByteView(whole).first(size)), ErrorCode::kCorruption, "manifest")) << size;
}

TEST(ManifestTest, FlippedBitsAreRefusedOrReadAsSomethingWhole) {
  const Bytes whole = encode_manifest(full_manifest());
  for (size_t bit = 0; bit < whole.size() * 8; bit += 5) {
    Bytes bad = whole;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    auto read = decode_manifest(bad);
    if (!read.ok()) {
      EXPECT_EQ(read.code(), ErrorCode::kCorruption);
      continue;
    }
    EXPECT_TRUE(decode_manifest(encode_manifest(*read)).ok());
  }
}

TEST(ManifestTest, EveryMemberIsNeededAndNamedWhenItIsMissingOrOfAnotherType) {
  const json whole = json::parse(as_text(encode_manifest(full_manifest())));
  auto expect_refused = [](const json& bad, const std::string& name) {
    EXPECT_TRUE(fails_with(decode_manifest(as_bytes(bad.dump())), ErrorCode::kCorruption,
                           name == "schema" ? "schema" : "'" + name + "'"))
        << name;
  };
  auto spoil_each = [&](const json& object, const std::function<json(const json&)>& put_back) {
    for (const auto& [name, value] : object.items()) {
      json without = object;
      without.erase(name);
      expect_refused(put_back(without), name);
      for (const json& other :
           {json(nullptr), json(-1), json(1.5), json("%"), json::array({1}), json::object({{"a", 1}})}) {
        if (other.is_object() && name == "settings") continue;
        json with_other = object;
        with_other[name] = other;
        if (value.is_object() && other.is_object()) continue;
        expect_refused(put_back(with_other), name);
      }
    }
  };
  spoil_each(whole, [](const json& object) { return object; });
  for (const char* part : {"source", "written"}) {
    spoil_each(whole[part], [&](const json& object) {
      json bad = whole;
      bad[part] = object;
      return bad;
    });
  }
}

TEST(ManifestTest, NumbersOutOfRangeAreRefused) {
  const json whole = json::parse(as_text(encode_manifest(full_manifest())));
  auto with = [&](const char* pointer, const json& value) {
    json bad = whole;
    bad[json::json_pointer(pointer)] = value;
    return decode_manifest(as_bytes(bad.dump()));
  };
  EXPECT_TRUE(fails_with(with("/epoch", 65536), ErrorCode::kCorruption, "'epoch'"));
  EXPECT_TRUE(fails_with(with("/source/timeline", uint64_t{1} << 32), ErrorCode::kCorruption, "'timeline'"));
  EXPECT_TRUE(fails_with(with("/source/major", uint64_t{1} << 31), ErrorCode::kCorruption, "'major'"));
  EXPECT_TRUE(fails_with(with("/list/0/2", uint64_t{1} << 32), ErrorCode::kCorruption, "'list'"));
  EXPECT_TRUE(fails_with(with("/list/0/1", "ab"), ErrorCode::kCorruption, "'list'"));
  EXPECT_TRUE(fails_with(with("/packs/0", json::array({1, 2})), ErrorCode::kCorruption, "'packs'"));
  EXPECT_TRUE(fails_with(with("/id", "../escape"), ErrorCode::kCorruption, "'id'"));
  EXPECT_TRUE(fails_with(with("/started", "2026-11-24T12:00:00Z"), ErrorCode::kCorruption, "'started'"));
}

TEST(ManifestTest, MembersOfLaterVersionsAreIgnored) {
  json more = json::parse(as_text(encode_manifest(full_manifest())));
  more["later"] = {1, 2, 3};
  more["source"]["later"] = "x";
  EXPECT_EQ(encode_manifest(must(decode_manifest(as_bytes(more.dump())))), encode_manifest(full_manifest()));
}

TEST(ManifestTest, AnotherSchemaSaysSo) {
  json other = json::parse(as_text(encode_manifest(full_manifest())));
  other["schema"] = "coffer.manifest/2";
  EXPECT_TRUE(fails_with(decode_manifest(as_bytes(other.dump())), ErrorCode::kCorruption, "coffer.manifest/2"));
}

TEST(ManifestTest, DeepNestingDoesNotOverflowTheStack) {
  constexpr size_t kDepth = 300'000;
  EXPECT_FALSE(decode_manifest(as_bytes(std::string(kDepth, '['))).ok());
  EXPECT_FALSE(
      decode_manifest(as_bytes(R"({"schema":)" + std::string(kDepth, '[') + std::string(kDepth, ']') + "}")).ok());
  std::string objects;
  for (size_t i = 0; i < kDepth / 10; ++i) objects += "{\"a\":";
  EXPECT_FALSE(decode_manifest(as_bytes(objects + "1" + std::string(kDepth / 10, '}'))).ok());
}

TEST(PointIdTest, IsTheSecondAndFourRandomBytes) {
  SeededEntropy entropy(1);
  const std::string id = new_point_id(kNoon, entropy);
  EXPECT_EQ(id.substr(0, 17), "20261124T120000Z-");
  EXPECT_EQ(id.size(), 25u);
  EXPECT_TRUE(is_point_id(id));
  EXPECT_NE(id, new_point_id(kNoon, entropy));
  EXPECT_EQ(manifest_key(id), "points/" + id + "/manifest");
}

TEST(PointIdTest, NothingThatLeadsElsewhereInTheStoreIsOne) {
  for (const std::string& bad :
       {std::string(), std::string("a/b"), std::string(".."), std::string("a b"), std::string("a\n"),
        std::string("a\0b", 3), std::string("\xc3\xa9"), std::string(65, 'a')})
    EXPECT_FALSE(is_point_id(bad)) << bad;
  EXPECT_TRUE(is_point_id(std::string(64, 'a')));
}

}  // namespace
}  // namespace coffer::vault
