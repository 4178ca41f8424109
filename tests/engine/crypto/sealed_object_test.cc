#include "engine/crypto/sealed_object.h"

#include <thread>

#include "engine/crypto/digest.h"
#include "engine/crypto/testing.h"

namespace coffer::crypto {
namespace {

constexpr size_t kSegment = 4096;  // the smallest, so that small objects have several segments

/// The parameters of the vectors in the format document.
SealParameters vector_parameters() {
  Bytes key_id = hex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"), object_id = hex("b0b1b2b3b4b5b6b7b8b9babbbcbdbebf");
  return {.key_id = ByteReader(key_id).array<16>(),
          .object_id = ByteReader(object_id).array<16>(),
          .kind = ObjectKind::kManifest,
          .place = "arn:aws:backup:us-east-2:111122223333:recovery-point:0001",
          .segment_log2 = 12};
}

Bytes vector_salt() { return hex("404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"); }

Bytes vector_object(size_t plain_size) {
  return seal_with_salt(vector_root(), vector_parameters(), counting_bytes(plain_size), vector_salt());
}

Result<Bytes> open_vector(ByteView sealed) {
  return open_sealed(vector_root(), ObjectKind::kManifest, vector_parameters().place, sealed);
}

SealedReader::ReadRange range_of(const Bytes& object) {
  return [&object](uint64_t offset, uint64_t length) -> Result<Bytes> {
    if (offset > object.size() || length > object.size() - offset) {
      return Error{ErrorCode::kCorruption, "short object", {}};
    }
    return to_bytes(ByteView(object).subspan(offset, length));
  };
}

/// Opens for random access and reads everything.
Result<Bytes> read_vector(const Bytes& sealed) {
  COFFER_TRY(SealedReader reader, SealedReader::open(vector_root(), ObjectKind::kManifest, vector_parameters().place,
                                                     sealed.size(), range_of(sealed)));
  Bytes plain(reader.plain_size());
  COFFER_CHECK_OK(reader.read_plain(0, plain));
  return plain;
}

/// Neither reader gives anything of it, and both say the same thing.
::testing::AssertionResult is_refused(const Bytes& sealed) {
  if (auto whole = fails_with(open_vector(sealed), ErrorCode::kCorruption, "authentication failed"); !whole)
    return whole;
  return fails_with(read_vector(sealed), ErrorCode::kCorruption, "authentication failed");
}

std::vector<size_t> sizes_around_boundaries() {
  std::vector<size_t> sizes = {0, 1, 15, 16, 17, 100};
  for (size_t segments = 1; segments <= 3; ++segments) {
    for (size_t size = segments * kSegment - 17; size <= segments * kSegment + 17; ++size) sizes.push_back(size);
  }
  return sizes;
}

TEST(SealedObjectVectors, HeaderAndCommitmentAreThoseOfTheFormat) {
  Bytes sealed = vector_object(0);
  EXPECT_EQ(
      to_hex(ByteView(sealed).first(96)),
      "89424b4f0d0a1a0a000100010c000080a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf0003000000000000"
      "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f0000000000000000");
  EXPECT_EQ(to_hex(ByteView(sealed).subspan(96, 32)),
            "65749d583fbd838535c267c82ef8264a5a7b51f57086c47f4a613890ba8974e6");
}

TEST(SealedObjectVectors, TenThousandBytes) {
  Bytes sealed = vector_object(10000);
  ASSERT_EQ(sealed.size(), 10176u);
  EXPECT_EQ(to_hex(ByteView(sealed).subspan(128 + 4096, 16)), "52015deb0fd8748dccfd6e3ba0ebf374");
  EXPECT_EQ(to_hex(ByteView(sealed).subspan(128 + 4112 + 4096, 16)), "f6024e1acacc385f077bbd76dce014c0");
  EXPECT_EQ(to_hex(ByteView(sealed).last(16)), "ef8e8a7a72f7dd7b276f15bbc01c2c6b");
  EXPECT_EQ(to_hex(sha256(sealed)), "9966b6aa46c12faf76f84913c5f990a64f7a6fbce31ad89ba399bebaa96a2cfb");
  EXPECT_EQ(open_vector(sealed).value(), counting_bytes(10000));
}

TEST(SealedObjectVectors, AMultipleOfTheSegmentSizeEndsInAnEmptySegment) {
  Bytes sealed = vector_object(8192);
  ASSERT_EQ(sealed.size(), 8368u);
  EXPECT_EQ(to_hex(ByteView(sealed).last(16)), "d1e9c8378b73f3e97472e97eb77cd3bb");
  EXPECT_EQ(to_hex(sha256(sealed)), "8f20cdf169dc138eab2e2609d3b578c06dc633c21b4f36d507292804bbc7f711");
  EXPECT_EQ(open_vector(sealed).value(), counting_bytes(8192));
}

TEST(SealedObjectVectors, TheEmptyObject) {
  Bytes sealed = vector_object(0);
  ASSERT_EQ(sealed.size(), 144u);
  EXPECT_EQ(to_hex(ByteView(sealed).last(16)), "a4fe2c244296a9961dca5e5695b10bc3");
  EXPECT_EQ(to_hex(sha256(sealed)), "e42162aa7cfed882ae756b823bb05a08fb24c4a19573e04c10640b18c95c11fc");
  EXPECT_EQ(open_vector(sealed).value(), Bytes{});
}

TEST(SealedObject, OpensToWhatWasSealedAtEverySizeAroundTheBoundaries) {
  for (size_t size : sizes_around_boundaries()) {
    Bytes sealed = vector_object(size);
    ASSERT_EQ(sealed.size(), sealed_size(size, 12));
    ASSERT_EQ(open_vector(sealed).value(), counting_bytes(size)) << size;
    ASSERT_EQ(read_vector(sealed).value(), counting_bytes(size)) << size;
  }
}

TEST(SealedObject, OpensToWhatWasSealedForRandomSizesKindsPlacesAndSegmentSizes) {
  std::mt19937_64 random(1);
  SeededEntropy entropy(1);
  for (int round = 0; round < 300; ++round) {
    SealParameters parameters{.key_id = entropy.array<16>(),
                              .object_id = entropy.array<16>(),
                              .kind = static_cast<ObjectKind>(1 + up_to(random, 8)),
                              .place = std::string(up_to(random, 511), 'p'),
                              .segment_log2 = static_cast<uint8_t>(12 + up_to(random, 5))};
    Bytes root = random_bytes(kRootSize, random());
    Bytes plain = random_bytes(up_to(random, 3 << 12), random());
    Bytes sealed = seal(root, parameters, plain, entropy);
    ASSERT_EQ(open_sealed(root, parameters.kind, parameters.place, sealed).value(), plain);
    SealedHeader header = parse_sealed_header(ByteView(sealed).first(128)).value();
    EXPECT_EQ(header.key_id, parameters.key_id);
    EXPECT_EQ(header.object_id, parameters.object_id);
    EXPECT_EQ(header.kind, parameters.kind);
    EXPECT_EQ(header.segment_log2, parameters.segment_log2);
  }
}

TEST(SealedObject, EverySealingDrawsAFreshSalt) {
  SeededEntropy entropy(1);
  Bytes plain = counting_bytes(100);
  EXPECT_NE(seal(vector_root(), vector_parameters(), plain, entropy),
            seal(vector_root(), vector_parameters(), plain, entropy));
}

TEST(SealedObject, ReusedMemoryLeavesNoTrace) {
  Bytes sealed;
  for (size_t size : {size_t{20000}, size_t{100}, size_t{0}, size_t{9000}, size_t{50000}}) {
    SeededEntropy entropy(size), same(size);
    seal_into(sealed, vector_root(), vector_parameters(), counting_bytes(size), entropy);
    EXPECT_EQ(sealed, seal(vector_root(), vector_parameters(), counting_bytes(size), same));
  }
}

TEST(SealedObject, WrongUseIsABrokenInvariant) {
  SealParameters parameters = vector_parameters();
  EXPECT_THROW((void)seal_with_salt(Bytes(63), parameters, {}, vector_salt()), std::logic_error);
  EXPECT_THROW((void)seal_with_salt(vector_root(), parameters, {}, Bytes(31)), std::logic_error);
  for (uint8_t log2 : {uint8_t{0}, uint8_t{11}, uint8_t{25}, uint8_t{255}}) {
    parameters.segment_log2 = log2;
    EXPECT_THROW((void)seal_with_salt(vector_root(), parameters, {}, vector_salt()), std::logic_error);
  }
  parameters = vector_parameters();
  parameters.place = std::string(512, 'p');
  EXPECT_THROW((void)seal_with_salt(vector_root(), parameters, {}, vector_salt()), std::logic_error);
}

TEST(SealedObject, AnyFlippedBitOfAWholeObjectIsRefused) {
  Bytes sealed = vector_object(300);
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    sealed[bit / 8] ^= std::byte{1} << (bit % 8);
    ASSERT_TRUE(is_refused(sealed)) << "bit " << bit;
    sealed[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  EXPECT_TRUE(open_vector(sealed).ok());
}

TEST(SealedObject, AFlippedBitInAnySegmentIsRefused) {
  Bytes sealed = vector_object(3 * kSegment + 5);
  for (size_t byte = 128; byte < sealed.size(); byte += 61) {
    sealed[byte] ^= std::byte{0x10};
    ASSERT_TRUE(is_refused(sealed)) << "byte " << byte;
    sealed[byte] ^= std::byte{0x10};
  }
}

TEST(SealedObject, AnyTruncationIsRefused) {
  for (size_t plain_size : {size_t{0}, size_t{8192}, size_t{10000}}) {
    Bytes sealed = vector_object(plain_size);
    for (size_t size = 0; size < sealed.size(); size += size < 200 || sealed.size() - size < 40 ? 1 : 31) {
      ASSERT_TRUE(is_refused(to_bytes(ByteView(sealed).first(size)))) << size << " of " << sealed.size();
    }
  }
}

// The end of a whole segment is the one place where nothing looks cut.
TEST(SealedObject, DroppedSegmentsAreRefused) {
  for (size_t plain_size : {size_t{8192}, size_t{10000}}) {
    Bytes sealed = vector_object(plain_size);
    for (size_t segments : {0u, 1u, 2u}) {
      EXPECT_TRUE(is_refused(to_bytes(ByteView(sealed).first(128 + segments * (kSegment + 16)))));
    }
    Bytes without_first = to_bytes(ByteView(sealed).first(128));
    append(without_first, ByteView(sealed).subspan(128 + kSegment + 16));
    EXPECT_TRUE(is_refused(without_first));
  }
}

TEST(SealedObject, AppendedBytesAreRefused) {
  for (size_t plain_size : {size_t{0}, size_t{8192}, size_t{10000}}) {
    for (size_t more : {1u, 15u, 16u, 17u, 4096u, 4112u, 8224u}) {
      Bytes sealed = vector_object(plain_size);
      sealed.resize(sealed.size() + more);
      EXPECT_TRUE(is_refused(sealed)) << plain_size << " + " << more;
    }
    Bytes twice = vector_object(plain_size);
    append(twice, ByteView(vector_object(plain_size)).subspan(128));
    EXPECT_TRUE(is_refused(twice));
  }
}

TEST(SealedObject, SwappedOrRepeatedSegmentsAreRefused) {
  const Bytes sealed = vector_object(10000);
  Bytes swapped = sealed;
  std::swap_ranges(swapped.begin() + 128, swapped.begin() + 128 + 4112, swapped.begin() + 128 + 4112);
  EXPECT_TRUE(is_refused(swapped));
  Bytes repeated = sealed;
  std::copy_n(sealed.begin() + 128, 4112, repeated.begin() + 128 + 4112);
  EXPECT_TRUE(is_refused(repeated));
}

TEST(SealedObject, SegmentsOfAnotherObjectUnderTheSameRootAreRefused) {
  Bytes sealed = vector_object(10000);
  Bytes other = seal_with_salt(vector_root(), vector_parameters(), counting_bytes(10000), Bytes(32));
  std::copy(other.begin() + 128, other.begin() + 128 + 4112, sealed.begin() + 128);
  EXPECT_TRUE(is_refused(sealed));
}

TEST(SealedObject, AnotherPlaceKindOrRootDoesNotOpenIt) {
  Bytes sealed = vector_object(100);
  const std::string place = vector_parameters().place;
  auto refused = [&](ByteView root, ObjectKind kind, std::string_view at) {
    auto opened = fails_with(open_sealed(root, kind, at, sealed), ErrorCode::kCorruption, "authentication failed");
    if (!opened) return opened;
    return fails_with(SealedReader::open(root, kind, at, sealed.size(), range_of(sealed)), ErrorCode::kCorruption,
                      "authentication failed");
  };
  EXPECT_TRUE(refused(vector_root(), ObjectKind::kManifest, place + "2"));
  EXPECT_TRUE(refused(vector_root(), ObjectKind::kManifest, place.substr(1)));
  EXPECT_TRUE(refused(vector_root(), ObjectKind::kManifest, ""));
  EXPECT_TRUE(refused(vector_root(), ObjectKind::kManifest, std::string(70000, 'p')));
  EXPECT_TRUE(refused(vector_root(), ObjectKind::kPack, place));
  Bytes other_root = vector_root();
  other_root[63] ^= std::byte{1};
  EXPECT_TRUE(refused(other_root, ObjectKind::kManifest, place));
}

// The sender knows the root but lies about a header field that is not checked by value.
TEST(SealedObject, AHeaderThatWasRewrittenWithItsCommitmentKeptIsRefused) {
  Bytes sealed = vector_object(100);
  Bytes other_id = sealed;
  other_id[40] ^= std::byte{1};  // object_id
  EXPECT_TRUE(is_refused(other_id));
  Bytes other_segment_size = sealed;
  other_segment_size[12] = std::byte{13};
  EXPECT_TRUE(is_refused(other_segment_size));
}

TEST(SealedHeader, OnlyA128ByteHeaderOfThisVersionIsParsed) {
  Bytes header = vector_object(0);
  header.resize(128);
  EXPECT_TRUE(parse_sealed_header(header).ok());
  EXPECT_FALSE(parse_sealed_header(ByteView(header).first(127)).ok());
  EXPECT_FALSE(parse_sealed_header(vector_object(0)).ok());
  // Everything but the ids, the kind, the salt, the commitment and the segment size has one allowed value.
  for (size_t byte = 0; byte < 96; ++byte) {
    bool is_free = (byte >= 16 && byte < 50) || (byte >= 56 && byte < 88);
    header[byte] ^= std::byte{0x80};
    EXPECT_EQ(parse_sealed_header(header).ok(), is_free) << byte;
    header[byte] ^= std::byte{0x80};
  }
  for (int log2 = 0; log2 < 256; ++log2) {
    header[12] = static_cast<std::byte>(log2);
    EXPECT_EQ(parse_sealed_header(header).ok(), log2 >= 12 && log2 <= 24) << log2;
  }
}

TEST(SealedReader, RandomRangesEqualThePlainBytes) {
  std::mt19937_64 random(2);
  for (size_t plain_size : {size_t{1}, size_t{5000}, 3 * kSegment, 5 * kSegment + 77, size_t{200000}}) {
    Bytes plain = counting_bytes(plain_size), sealed = vector_object(plain_size);
    SealedReader reader = SealedReader::open(vector_root(), ObjectKind::kManifest, vector_parameters().place,
                                             sealed.size(), range_of(sealed))
                              .value();
    ASSERT_EQ(reader.plain_size(), plain_size);
    for (int round = 0; round < 300; ++round) {
      uint64_t offset = up_to(random, plain_size), size = up_to(random, plain_size - offset);
      Bytes out(size);
      ASSERT_TRUE(reader.read_plain(offset, out).ok());
      ASSERT_EQ(out, to_bytes(ByteView(plain).subspan(offset, size))) << offset << "+" << size;
    }
  }
}

// More than one fetch, whole and partial segments in each.
TEST(SealedReader, ReadsRangesLargerThanItFetchesAtOnce) {
  SealParameters parameters = vector_parameters();
  for (uint8_t log2 : {uint8_t{16}, uint8_t{24}}) {
    parameters.segment_log2 = log2;
    Bytes plain = counting_bytes((uint64_t{17} << 20) + 12345);
    Bytes sealed = seal_with_salt(vector_root(), parameters, plain, vector_salt());
    uint64_t largest = 0;
    auto reader = SealedReader::open(vector_root(), parameters.kind, parameters.place, sealed.size(),
                                     [&](uint64_t offset, uint64_t size) -> Result<Bytes> {
                                       largest = std::max(largest, size);
                                       return range_of(sealed)(offset, size);
                                     });
    Bytes out(plain.size() - 2000);
    ASSERT_TRUE(reader->read_plain(1000, out).ok());
    EXPECT_EQ(out, to_bytes(ByteView(plain).subspan(1000, out.size())));
    EXPECT_LE(largest, std::max<uint64_t>(8 << 20, (uint64_t{1} << log2) + 16));
  }
}

TEST(SealedReader, ARangePastTheEndIsRefusedAndNothingIsRead) {
  Bytes sealed = vector_object(5000);
  int reads = 0;
  auto reader = SealedReader::open(vector_root(), ObjectKind::kManifest, vector_parameters().place, sealed.size(),
                                   [&](uint64_t offset, uint64_t size) {
                                     ++reads;
                                     return range_of(sealed)(offset, size);
                                   });
  int reads_at_open = reads;
  Bytes out(10);
  EXPECT_TRUE(fails_with(reader->read_plain(4991, out), ErrorCode::kInvalidArgument, "past the end"));
  EXPECT_TRUE(fails_with(reader->read_plain(UINT64_MAX, out), ErrorCode::kInvalidArgument, "past the end"));
  EXPECT_TRUE(fails_with(reader->read_plain(UINT64_MAX - 5, out), ErrorCode::kInvalidArgument, "past the end"));
  EXPECT_TRUE(reader->read_plain(5000, {}).ok());
  EXPECT_EQ(reads, reads_at_open);
}

TEST(SealedReader, ABadSegmentIsFoundOnlyWhereItLiesAndGivesNoByte) {
  Bytes sealed = vector_object(4 * kSegment + 10);
  sealed[128 + 2 * 4112 + 7] ^= std::byte{1};
  auto reader = SealedReader::open(vector_root(), ObjectKind::kManifest, vector_parameters().place, sealed.size(),
                                   range_of(sealed));
  ASSERT_TRUE(reader.ok());
  Bytes before(2 * kSegment);
  EXPECT_TRUE(reader->read_plain(0, before).ok());
  Bytes across(2 * kSegment, std::byte{0xee});
  EXPECT_TRUE(fails_with(reader->read_plain(kSegment, across), ErrorCode::kCorruption, "authentication failed"));
  EXPECT_TRUE(is_zero(across));
  Bytes within(10, std::byte{0xee});
  EXPECT_TRUE(fails_with(reader->read_plain(2 * kSegment, within), ErrorCode::kCorruption, "authentication failed"));
  EXPECT_TRUE(is_zero(within));
}

// What the store says about itself is not overwritten by our guess.
TEST(SealedReader, AFailureOfTheStoreIsPassedOnAsItIs) {
  Bytes sealed = vector_object(200000);
  for (int failing_call = 0;; ++failing_call) {
    int call = 0;
    auto read = [&](uint64_t offset, uint64_t size) -> Result<Bytes> {
      if (call++ == failing_call) return Error{ErrorCode::kUnavailable, "store is away", {}};
      return range_of(sealed)(offset, size);
    };
    Bytes out(200000);
    auto reader =
        SealedReader::open(vector_root(), ObjectKind::kManifest, vector_parameters().place, sealed.size(), read);
    Status status = reader.ok() ? reader->read_plain(0, out) : Status(reader.error());
    if (call <= failing_call) {
      EXPECT_TRUE(status.ok());
      break;
    }
    EXPECT_TRUE(fails_with(status, ErrorCode::kUnavailable, "store is away"));
  }
}

TEST(SealedReader, AStoreThatGivesFewerBytesThanAskedIsNotBelieved) {
  Bytes sealed = vector_object(200000);
  for (int lying_call = 0; lying_call < 3; ++lying_call) {
    int call = 0;
    auto read = [&](uint64_t offset, uint64_t size) -> Result<Bytes> {
      return range_of(sealed)(offset, call++ == lying_call ? size - 1 : size);
    };
    Bytes out(200000);
    auto reader =
        SealedReader::open(vector_root(), ObjectKind::kManifest, vector_parameters().place, sealed.size(), read);
    Status status = reader.ok() ? reader->read_plain(0, out) : Status(reader.error());
    EXPECT_TRUE(fails_with(status, ErrorCode::kCorruption, "authentication failed")) << lying_call;
  }
}

TEST(SealedReader, ASizeThatIsNotTheObjectsIsRefusedAtOpening) {
  Bytes sealed = vector_object(10000);
  for (uint64_t size : {uint64_t{0}, uint64_t{127}, uint64_t{143}, uint64_t{144}, sealed.size() - 4112,
                        sealed.size() - 1, sealed.size() + 1, uint64_t{1} << 60, UINT64_MAX}) {
    Bytes padded = sealed;
    padded.resize(padded.size() + 5000);
    EXPECT_FALSE(
        SealedReader::open(vector_root(), ObjectKind::kManifest, vector_parameters().place, size, range_of(padded))
            .ok())
        << size;
  }
}

TEST(SealedReader, OpensASmallObjectWithOneReadAndItsLastSegmentIsReadOnce) {
  for (size_t plain_size : {size_t{300}, size_t{100000}}) {
    Bytes sealed = vector_object(plain_size);
    int reads = 0;
    auto reader = SealedReader::open(vector_root(), ObjectKind::kManifest, vector_parameters().place, sealed.size(),
                                     [&](uint64_t offset, uint64_t size) {
                                       ++reads;
                                       return range_of(sealed)(offset, size);
                                     });
    EXPECT_EQ(reads, plain_size < 65536 ? 1 : 2);
    int reads_at_open = reads;
    Bytes tail(plain_size % kSegment);
    ASSERT_TRUE(reader->read_plain(plain_size - tail.size(), tail).ok());
    EXPECT_EQ(tail, to_bytes(ByteView(counting_bytes(plain_size)).last(tail.size())));
    EXPECT_EQ(reads, reads_at_open);
  }
}

TEST(SealedReader, ServesManyThreadsAtOnce) {
  Bytes plain = counting_bytes(300000), sealed = vector_object(300000);
  auto reader = SealedReader::open(vector_root(), ObjectKind::kManifest, vector_parameters().place, sealed.size(),
                                   range_of(sealed));
  ASSERT_TRUE(reader.ok());
  std::array<int, 4> wrong{};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int round = 0; round < 200; ++round) {
        uint64_t offset = up_to(random, plain.size() - 9000);
        Bytes out(9000);
        if (!reader->read_plain(offset, out).ok() || !equal(out, ByteView(plain).subspan(offset, 9000))) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::array<int, 4>{}));
}

TEST(SealedReader, OutlivesTheRootAndTheMovedFromObject) {
  Bytes sealed = vector_object(5000);
  Bytes root = vector_root();
  auto opened =
      SealedReader::open(root, ObjectKind::kManifest, vector_parameters().place, sealed.size(), range_of(sealed));
  wipe(root);
  SealedReader reader = std::move(opened).value();
  Bytes out(5000);
  ASSERT_TRUE(reader.read_plain(0, out).ok());
  EXPECT_EQ(out, counting_bytes(5000));
  EXPECT_EQ(reader.header().kind, ObjectKind::kManifest);
}

}  // namespace
}  // namespace coffer::crypto
