#include "engine/crypto/kms_blob.h"

#include <gtest/gtest.h>

#include "engine/crypto/digest.h"

namespace coffer::crypto {
namespace {

Bytes counting(size_t size, uint8_t from) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(from + i);
  return bytes;
}

struct Vector {
  Bytes backing = counting(64, 0x80), plain = counting(64, 0), nonce = counting(32, 0);
  KmsBlobHeader header;
  EncryptionContext context{{"app", "x"}, {"aws:s3:arn", "arn:aws:s3:::b/k"}};
  Vector() {
    const Bytes id = from_hex("1234abcd12ab34cd56ef1234567890ab").value();
    std::copy(id.begin(), id.end(), header.key_id.begin());
    header.material_version = 1;
  }
  [[nodiscard]] Bytes blob() const { return seal_kms_blob_with_nonce(backing, header, context, plain, nonce); }
};

TEST(KmsBlob, GivesTheVectorOfTheFormat) {
  const Vector v;
  EXPECT_EQ(to_hex(canonical_context(v.context)),
            "00020003617070000178000a6177733a73333a61726e001061726e3a6177733a73333a3a3a622f6b");
  const Bytes blob = v.blob();
  EXPECT_EQ(blob.size(), 166U);
  EXPECT_EQ(to_hex(sha256(blob)), "effaa03c881824b1f5f97b576d5528ff9797fa6768084121be304114a55dfb21");
}

TEST(KmsBlob, OpensToWhatWasSealed) {
  const Vector v;
  auto opened = open_kms_blob(v.backing, v.context, v.blob());
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(equal(opened->view(), v.plain));
  const auto header = parse_kms_blob(v.blob());
  ASSERT_TRUE(header);
  EXPECT_EQ(header->key_id, v.header.key_id);
  EXPECT_EQ(header->material_version, 1U);
}

TEST(KmsBlob, AnyChangedByteAnyCutAndAnyOtherContextIsRefused) {
  const Vector v;
  const Bytes blob = v.blob();
  for (size_t i = 0; i < blob.size(); ++i) {
    Bytes other = blob;
    other[i] ^= std::byte{1};
    EXPECT_FALSE(open_kms_blob(v.backing, v.context, other).ok()) << i;
  }
  for (size_t size = 0; size < blob.size(); ++size)
    EXPECT_FALSE(open_kms_blob(v.backing, v.context, ByteView(blob).first(size)).ok()) << size;
  for (const EncryptionContext& other :
       {EncryptionContext{}, {{"app", "x"}}, {{"app", "X"}, {"aws:s3:arn", "arn:aws:s3:::b/k"}}})
    EXPECT_FALSE(open_kms_blob(v.backing, other, blob).ok());
  Bytes other_key = v.backing;
  other_key[0] ^= std::byte{1};
  EXPECT_FALSE(open_kms_blob(other_key, v.context, blob).ok());
}

}  // namespace
}  // namespace coffer::crypto
