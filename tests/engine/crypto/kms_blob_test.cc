#include "engine/crypto/kms_blob.h"

#include <gtest/gtest.h>

#include "engine/crypto/digest.h"
#include "engine/crypto/testing.h"

namespace coffer::crypto {
namespace {

Bytes counting_from(uint8_t first, size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(first + i);
  return bytes;
}

const std::map<std::string, std::string> kContext{{"app", "x"}, {"aws:s3:arn", "arn:aws:s3:::b/k"}};

KmsBlobHeader vector_header() {
  KmsBlobHeader header;
  const Bytes uuid = hex("1234abcd12ab34cd56ef1234567890ab");
  std::copy(uuid.begin(), uuid.end(), header.key_uuid.begin());
  header.material_version = 1;
  return header;
}

Bytes vector_blob() {
  return seal_kms_blob_with_nonce(counting_from(0x80, 64), vector_header(), counting_from(0, 64),
                                  encode_encryption_context(kContext), counting_from(0, 32));
}

TEST(EncryptionContext, EncodingIsThatOfTheFormatDocument) {
  EXPECT_EQ(to_hex(encode_encryption_context(kContext)),
            "00020003617070000178000a6177733a73333a61726e001061726e3a6177733a73333a3a3a622f6b");
  EXPECT_TRUE(encode_encryption_context({}).empty());
}

TEST(EncryptionContext, KeysAreSortedByUnsignedBytes) {
  EXPECT_EQ(to_hex(encode_encryption_context({{"\xc3\xa9", ""}, {"z", ""}})), "000200017a00000002c3a90000");
}

TEST(EncryptionContext, NoTwoContextsShareAnEncoding) {
  EXPECT_NE(encode_encryption_context({{"ab", "c"}}), encode_encryption_context({{"a", "bc"}}));
  EXPECT_NE(encode_encryption_context({{"", ""}}), encode_encryption_context({}));
}

TEST(KmsBlob, VectorOfTheFormatDocument) {
  const Bytes blob = vector_blob();
  ASSERT_EQ(blob.size(), 166U);
  EXPECT_EQ(to_hex(ByteView(blob).subspan(54, 32)), "32bec8ef869ab56f2b0aeed51093ebbc4d6486c136460550cc13b469dccede2f");
  EXPECT_EQ(to_hex(ByteView(blob).last(16)), "935fc6602c33f4a6d33b172e7dad8b37");
  EXPECT_EQ(to_hex(sha256(blob)), "effaa03c881824b1f5f97b576d5528ff9797fa6768084121be304114a55dfb21");
  EXPECT_EQ(*parse_kms_blob(blob), vector_header());
  auto opened = open_kms_blob(counting_from(0x80, 64), blob, encode_encryption_context(kContext));
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(equal(opened->view(), counting_from(0, 64)));
}

TEST(KmsBlob, EveryFlippedBitIsRefused) {
  const Bytes blob = vector_blob(), key = counting_from(0x80, 64), context = encode_encryption_context(kContext);
  for (size_t i = 0; i < blob.size() * 8; ++i) {
    Bytes changed = blob;
    changed[i / 8] ^= static_cast<std::byte>(1U << (i % 8));
    EXPECT_TRUE(fails_with(open_kms_blob(key, changed, context), ErrorCode::kCorruption, "authentication failed")) << i;
  }
}

TEST(KmsBlob, EveryCutAndEveryExtensionIsRefused) {
  const Bytes blob = vector_blob(), key = counting_from(0x80, 64), context = encode_encryption_context(kContext);
  for (size_t size = 0; size < blob.size(); ++size)
    EXPECT_FALSE(open_kms_blob(key, ByteView(blob).first(size), context).ok()) << size;
  Bytes longer = blob;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(open_kms_blob(key, longer, context).ok());
}

TEST(KmsBlob, AnotherContextOrKeyDoesNotOpenIt) {
  const Bytes blob = vector_blob(), key = counting_from(0x80, 64);
  EXPECT_FALSE(open_kms_blob(key, blob, {}).ok());
  EXPECT_FALSE(open_kms_blob(key, blob, encode_encryption_context({{"app", "x"}})).ok());
  EXPECT_FALSE(
      open_kms_blob(key, blob, encode_encryption_context({{"App", "x"}, {"aws:s3:arn", "arn:aws:s3:::b/k"}})).ok());
  EXPECT_FALSE(open_kms_blob(counting_from(0x81, 64), blob, encode_encryption_context(kContext)).ok());
}

TEST(KmsBlob, TheSamePlaintextNeverGivesTheSameBlob) {
  SeededEntropy entropy(1);
  const Bytes key = counting_from(0, 64), plain = to_bytes("x");
  const Bytes a = seal_kms_blob(key, vector_header(), plain, {}, entropy);
  const Bytes b = seal_kms_blob(key, vector_header(), plain, {}, entropy);
  EXPECT_NE(a, b);
  EXPECT_EQ(a.size(), plain.size() + kKmsBlobOverhead);
  EXPECT_TRUE(equal(open_kms_blob(key, b, {})->view(), plain));
}

}  // namespace
}  // namespace coffer::crypto
