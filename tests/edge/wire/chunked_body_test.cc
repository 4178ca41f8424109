#include <random>

#include "edge/wire/front_testing.h"
#include "edge/wire/sigv4_keys.h"
#include "edge/wire/sigv4_testing.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kSigned = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
constexpr std::string_view kSignedTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
constexpr std::string_view kUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

SignatureClaim claim_with(std::string_view payload_hash, std::string_view seed) {
  SignatureClaim claim;
  claim.access_key_id = "AKIAIOSFODNN7EXAMPLE";
  claim.date = "20130524", claim.region = "us-east-1", claim.service = "s3";
  claim.timestamp = "20130524T000000Z";
  claim.signature = seed;
  claim.payload_hash = payload_hash;
  return claim;
}

struct Outcome {
  std::string data, error;  // error: its name, empty at the proper end
  std::vector<std::pair<std::string, std::string>> trailers;
};

Outcome decode(const SignatureClaim& claim, const std::string& wire, uint64_t decoded_length,
               size_t source_piece = SIZE_MAX, size_t read_size = 100'000) {
  PieceSource source(wire, source_piece);
  auto body = open_chunked_body(source, claim, as_bytes(kSecret), decoded_length);
  Outcome outcome;
  Bytes buffer(read_size);
  for (;;) {
    auto size = body->read(Context(), buffer);
    if (!size.ok()) {
      outcome.error = size.error().name;
      EXPECT_EQ(name_of(body->read(Context(), buffer)), outcome.error);  // a failure stays
      return outcome;
    }
    if (*size == 0) break;
    outcome.data += as_text(ByteView(buffer).first(*size));
  }
  outcome.trailers = body->trailers().fields();
  return outcome;
}

/// Signs as a client does.
class Encoder {
 public:
  explicit Encoder(const SignatureClaim& claim)
      : claim_(claim),
        key_(derive_signing_key(as_bytes(kSecret),
                                {.date = claim.date, .region = claim.region, .service = claim.service})),
        previous_(claim.signature) {}

  std::string chunk(std::string_view data) {
    std::string line = hex_size(data.size());
    if (claim_.payload_hash != kUnsignedTrailer)
      line += ";chunk-signature=" + sign("AWS4-HMAC-SHA256-PAYLOAD", sha256_hex("") + "\n" + sha256_hex(data));
    return line + "\r\n" + std::string(data) + (data.empty() ? "" : "\r\n");
  }
  std::string trailer(std::string_view name, std::string_view value) {
    std::string line = std::string(name) + ":" + std::string(value);
    std::string out = line + "\r\n";
    if (claim_.payload_hash == kSignedTrailer)
      out += "x-amz-trailer-signature:" + sign("AWS4-HMAC-SHA256-TRAILER", sha256_hex(line + "\n")) + "\r\n";
    return out + "\r\n";
  }
  /// The whole body in chunks of `size`.
  std::string body(std::string_view data, size_t size) {
    std::string out;
    for (; !data.empty(); data.remove_prefix(std::min(size, data.size()))) out += chunk(data.substr(0, size));
    out += chunk("");
    return out + (claim_.payload_hash == kSigned ? "\r\n" : trailer("x-amz-checksum-crc32", "AAAAAA=="));
  }

 private:
  static std::string hex_size(size_t size) {
    std::string out;
    do out.insert(out.begin(), "0123456789abcdef"[size & 15]);
    while (size >>= 4);
    return out;
  }
  std::string sign(std::string_view algorithm, const std::string& hashes) {
    previous_ = to_hex(
        key_->of(as_bytes(std::string(algorithm) + "\n" + claim_.timestamp + "\n" + claim_.date + "/" + claim_.region +
                          "/" + claim_.service + "/aws4_request\n" + previous_ + "\n" + hashes)));
    return previous_;
  }
  const SignatureClaim claim_;
  SigningKey key_;
  std::string previous_;
};

const std::string& example_data() {
  static const std::string data(66560, 'a');
  return data;
}

std::string chunk_line(std::string_view size, std::string_view signature) {
  return std::string(size) + ";chunk-signature=" + std::string(signature) + "\r\n";
}

TEST(ChunkedBody, OfTheDocumentationOfS3IsDecoded) {
  const SignatureClaim claim = claim_with(kSigned, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  const std::string wire = chunk_line("10000", "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648") +
                           example_data().substr(0, 65536) + "\r\n" +
                           chunk_line("400", "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497") +
                           example_data().substr(0, 1024) + "\r\n" +
                           chunk_line("0", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9") + "\r\n";
  EXPECT_EQ(wire.size(), 66824U);
  const Outcome outcome = decode(claim, wire, 66560);
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.data, example_data());
}

TEST(ChunkedBody, WithATrailerOfTheDocumentationOfS3IsDecodedHoweverItsLinesEnd) {
  const SignatureClaim claim =
      claim_with(kSignedTrailer, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
  const std::string chunks = chunk_line("10000", "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2") +
                             example_data().substr(0, 65536) + "\r\n" +
                             chunk_line("400", "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7") +
                             example_data().substr(0, 1024) + "\r\n" +
                             chunk_line("0", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992");
  const std::string signature =
      "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
  for (const std::string& end : {"x-amz-checksum-crc32c:sOO8/Q==\r\n" + signature + "\r\n\r\n",
                                 "X-Amz-Checksum-CRC32C: sOO8/Q== \n" + signature + "\r\n\r\n",
                                 "x-amz-checksum-crc32c:sOO8/Q==\n\r\n" + signature + "\r\n\r\n"}) {
    const Outcome outcome = decode(claim, chunks + end, 66560);
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.data, example_data());
    ASSERT_EQ(outcome.trailers.size(), 1U);
    EXPECT_EQ(outcome.trailers[0], (std::pair<std::string, std::string>("x-amz-checksum-crc32c", "sOO8/Q==")));
  }
  for (const std::string& end : {"x-amz-checksum-crc32c:sOO8/Q=A\r\n" + signature + "\r\n\r\n",
                                 "x-amz-checksum-crc32:sOO8/Q==\r\n" + signature + "\r\n\r\n",
                                 "x-amz-checksum-crc32c:sOO8/Q==\r\na:b\r\n" + signature + "\r\n\r\n",
                                 signature + "\r\n\r\n", std::string("x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n\r\n")})
    EXPECT_EQ(decode(claim, chunks + end, 66560).error, "SignatureDoesNotMatch") << end;
}

class Variants : public ::testing::TestWithParam<std::string_view> {
 protected:
  SignatureClaim claim() const { return claim_with(GetParam(), std::string(64, 'a')); }
};

TEST_P(Variants, AreDecodedHoweverTheyAreCut) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 60; ++round) {
    std::string data(random() % 3000, ' ');
    for (char& c : data) c = static_cast<char>(random());
    const std::string wire = Encoder(claim()).body(data, 1 + random() % 900);
    const Outcome outcome = decode(claim(), wire, data.size(), 1 + random() % 300, 1 + random() % 500);
    ASSERT_EQ(outcome.error, "");
    ASSERT_EQ(outcome.data, data);
    ASSERT_EQ(outcome.trailers.size(), GetParam() == kSigned ? 0U : 1U);
  }
}

TEST_P(Variants, AreRefusedAtEveryLengthButTheWhole) {
  const std::string data(40, 'x'), wire = Encoder(claim()).body(data, 16);
  for (size_t length = 0; length < wire.size(); ++length) {
    const std::string error = decode(claim(), wire.substr(0, length), data.size()).error;
    ASSERT_TRUE(error == "IncompleteBody" || error == "SignatureDoesNotMatch") << length << error;
  }
  EXPECT_EQ(decode(claim(), wire + "x", data.size()).error, "IncompleteBody");
}

TEST_P(Variants, NeverGiveOtherDataForAFlippedByte) {
  const std::string data = "the quick brown fox jumps over the lazy dog", wire = Encoder(claim()).body(data, 16);
  for (size_t i = 0; i < wire.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = wire;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      const Outcome outcome = decode(claim(), changed, data.size());
      if (GetParam() == kUnsignedTrailer) continue;  // nothing covers it; it must only not crash
      if (!outcome.error.empty()) continue;
      // What remains is another spelling of the same.
      ASSERT_EQ(outcome.data, data) << i;
    }
  }
}

TEST_P(Variants, HoldTheDecodedLengthToTheByte) {
  const std::string data(40, 'x'), wire = Encoder(claim()).body(data, 16);
  for (uint64_t length : {0U, 15U, 39U, 41U, 1000U})
    EXPECT_EQ(decode(claim(), wire, length).error, "IncompleteBody") << length;
  EXPECT_EQ(decode(claim(), Encoder(claim()).body("", 16), 0).error, "");
}

TEST_P(Variants, RefuseSizesThatAreNone) {
  const std::string rest =
      GetParam() == kUnsignedTrailer ? "\r\nx" : ";chunk-signature=" + std::string(64, 'a') + "\r\nx";
  for (std::string_view size :
       {"", "-1", "+1", "0x1", "g", " 1", "1 ", "10000000000000000", "ffffffffffffffffff", "1,1"})
    EXPECT_EQ(decode(claim(), std::string(size) + rest, UINT64_MAX).error, "InvalidChunkSizeError") << size;
  EXPECT_EQ(decode(claim(), "1\nx", 1).error, "InvalidChunkSizeError");
  EXPECT_EQ(decode(claim(), std::string(100'000, '1'), 1).error, "InvalidChunkSizeError");
  EXPECT_EQ(decode(claim(), "ffffffffffffffff" + rest, UINT64_MAX - 1).error, "IncompleteBody");
}

INSTANTIATE_TEST_SUITE_P(All, Variants, ::testing::Values(kSigned, kSignedTrailer, kUnsignedTrailer),
                         [](const auto& variant) {
                           return variant.param == kSigned          ? "Signed"
                                  : variant.param == kSignedTrailer ? "SignedTrailer"
                                                                    : "UnsignedTrailer";
                         });

TEST(ChunkedBody, RefusesChunksThatWereMovedRepeatedOrLeftOut) {
  const SignatureClaim claim = claim_with(kSigned, std::string(64, 'a'));
  Encoder encoder(claim);
  const std::string first = encoder.chunk("aaaa"), second = encoder.chunk("bbbb"), third = encoder.chunk("cccc"),
                    end = encoder.chunk("") + "\r\n";
  EXPECT_EQ(decode(claim, first + second + third + end, 12).error, "");
  for (const std::string& wire : {second + first + third + end, first + third + second + end,
                                  first + first + second + end, first + second + end + "    ", second + third + end})
    EXPECT_EQ(decode(claim, wire, 12).error, "SignatureDoesNotMatch");
  EXPECT_EQ(decode(claim_with(kSigned, std::string(64, 'b')), first + second + third + end, 12).error,
            "SignatureDoesNotMatch");
  EXPECT_EQ(decode(claim, "4\r\naaaa\r\n0\r\n\r\n", 4).error, "SignatureDoesNotMatch");  // no signatures at all
}

TEST(ChunkedBody, RefusesTrailersBeyondReason) {
  const SignatureClaim claim = claim_with(kUnsignedTrailer, std::string(64, 'a'));
  std::string many;
  for (int i = 0; i < 17; ++i) many += "n" + std::to_string(i) + ":v\r\n";
  for (const std::string& trailer : {many, std::string(9000, 'a') + ":b\r\n", std::string("no colon\r\n"),
                                     std::string(":v\r\n"), std::string("a:b\rc\r\n"), std::string("a:b\0c\r\n", 7)})
    EXPECT_EQ(decode(claim, "0\r\n" + trailer + "\r\n", 0).error, "MalformedTrailerError") << trailer.substr(0, 40);
  EXPECT_EQ(decode(claim_with(kSigned, std::string(64, 'a')),
                   Encoder(claim_with(kSigned, std::string(64, 'a'))).chunk("") + "a:b\r\n\r\n", 0)
                .error,
            "MalformedTrailerError");
}

TEST(ChunkedBody, OfAnotherKindIsNotImplemented) {
  for (std::string_view hash : {"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
                                "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", "STREAMING-SOMETHING", ""})
    EXPECT_EQ(decode(claim_with(hash, std::string(64, 'a')), "0\r\n\r\n", 0).error, "NotImplemented") << hash;
}

/// Fails as a connection does.
class FailingSource final : public BodySource {
 public:
  Result<size_t> read(const Context&, MutableByteView) override {
    return Error{ErrorCode::kUnavailable, "the client went away", {}};
  }
};

TEST(ChunkedBody, PassesOnWhatItsSourceSays) {
  FailingSource source;
  auto body = open_chunked_body(source, claim_with(kSigned, std::string(64, 'a')), as_bytes(kSecret), 1);
  Bytes buffer(10);
  EXPECT_TRUE(fails_with(body->read(Context(), buffer), ErrorCode::kUnavailable, "went away"));
}

}  // namespace
}  // namespace coffer::wire
