#include "services/s3/encryption.h"

#include "base/base64.h"
#include "engine/crypto/checksum.h"
#include "engine/crypto/sealed_object.h"
#include "services/kms/world.h"
#include "services/s3/bucket_keys.h"

namespace coffer::s3 {
namespace {

using api::Value;
using iam::error_of;
using iam::Keys;
using iam::must;
using iam::object;

constexpr const char* kUseKeys = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*",
  "Resource":"*"}]})";

/// S3's encryption with the real KMS behind the gate.
class EncryptionTest : public kms::World {
 protected:
  EncryptionTest()
      : encryptor_(
            [this](const api::Call& call, const iam::Identity* identity, const Value& input) {
              ++asked_[call.operation];
              last_call_ = call;
              last_input_ = input;
              return gate_->run(call, identity, input);
            },
            root_.view(), clock_, entropy_) {}

  Keys user(const std::string& name, const std::string& policy = kUseKeys) {
    must(iam(root(), "CreateUser", object({{"UserName", name}})));
    allow_user(name, policy);
    return iam::keys_of(must(iam(root(), "CreateAccessKey", object({{"UserName", name}}))));
  }
  void allow_user(const std::string& name, const std::string& policy) {
    must(iam(root(), "PutUserPolicy", object({{"UserName", name}, {"PolicyName", "p"}, {"PolicyDocument", policy}})));
  }

  /// As `keys`, in an operation of S3.
  template <class Work>
  auto as(const Keys& keys, const Value& input, Work work) {
    const auto who = identity(keys);
    api::Call call = call_of(*who, "s3", "PutObject");
    change_call_(call);
    auto transaction = read();
    return work(api::Operation{.call = call, .input = input, .transaction = *transaction, .identity = who.get()});
  }
  Result<Encryptor::NewRoot> make(const Keys& keys, const EncryptionWish& wish, const ObjectIdentity& identity) {
    return as(keys, Value::object(), [&](const api::Operation& o) { return encryptor_.make_root(o, wish, identity); });
  }
  Result<Secret> open(const Keys& keys, const Encryption& stored, const ObjectIdentity& identity,
                      const Secret* customer_key = nullptr) {
    return as(keys, Value::object(),
              [&](const api::Operation& o) { return encryptor_.open_root(o, stored, identity, customer_key); });
  }
  Result<EncryptionWish> wish(const Value& input, const Value* rule = nullptr) {
    return as(root(), input, [&](const api::Operation& o) { return Encryptor::wish_of(o, rule); });
  }
  std::string wish_error(const Value& input) { return error_of(wish(input)); }

  static EncryptionWish kms_wish(const std::string& key, bool bucket_key = false) {
    EncryptionWish wish;
    wish.mode = EncryptionMode::kKms;
    wish.kms_key = key;
    wish.bucket_key = bucket_key;
    return wish;
  }
  static bool same(const Secret& a, const Secret& b) { return equal(a.view(), b.view()) && a.size() == 64; }

  const ObjectIdentity one_{"bucket", "folder/key", "v1"}, two_{"bucket", "other", "v2"};
  std::map<std::string, int> asked_;
  api::Call last_call_;
  Value last_input_;
  std::function<void(api::Call&)> change_call_ = [](api::Call&) {};
  Encryptor encryptor_;
};

Value customer_members(const std::string& key, const std::string& prefix = "") {
  const Bytes digest = crypto::checksum_of(crypto::ChecksumKind::kMd5, as_bytes(key));
  Value value = Value::object();
  value.set(prefix + "SSECustomerAlgorithm", "AES256");
  value.set(prefix + "SSECustomerKey", base64_encode(as_bytes(key)));
  value.set(prefix + "SSECustomerKeyMD5", base64_encode(digest));
  return value;
}

// ---- SSE-S3

TEST_F(EncryptionTest, ByDefaultTheInstallationWrapsTheRootAndKmsIsNotAsked) {
  const auto made = must(make(root(), {}, one_));
  EXPECT_EQ(made.root.size(), crypto::kRootSize);
  EXPECT_TRUE(same(must(open(root(), made.stored, one_)), made.root));
  EXPECT_TRUE(asked_.empty());
  const auto again = must(make(root(), {}, one_));
  EXPECT_FALSE(same(again.root, made.root));
}

TEST_F(EncryptionTest, AWrappedRootOpensForItsOwnObjectAlone) {
  const std::string id = key();
  for (const EncryptionWish& wish : {EncryptionWish{}, kms_wish(arn(id), true)}) {
    const auto made = must(make(root(), wish, one_));
    for (const ObjectIdentity& other :
         {ObjectIdentity{"bucket", "folder/key", "v2"}, {"bucket", "folder/kez", "v1"}, {"bucket", "folder", "key/v1"}})
      EXPECT_EQ(open(root(), made.stored, other).code(), ErrorCode::kCorruption);
  }
}

TEST_F(EncryptionTest, AnotherInstallationOpensNothing) {
  const auto made = must(make(root(), {}, one_));
  Encryptor other([](const api::Call&, const iam::Identity*, const Value&) { return Result<Value>(Value()); },
                  Bytes(64, std::byte{1}), clock_, entropy_);
  const auto opened = as(root(), Value::object(),
                         [&](const api::Operation& o) { return other.open_root(o, made.stored, one_, nullptr); });
  EXPECT_EQ(opened.code(), ErrorCode::kCorruption);
}

// ---- SSE-KMS

TEST_F(EncryptionTest, KmsIsAskedAsTheCallerThroughS3WithTheObjectsArn) {
  const std::string id = key();
  EncryptionWish wish = kms_wish(id);
  wish.context = {{"app", "ledger"}};
  const auto made = must(make(root(), wish, one_));
  EXPECT_EQ(made.stored.kms_key_arn, arn(id));
  EXPECT_EQ(made.stored.context, wish.context);
  EXPECT_EQ(last_call_.operation, "GenerateDataKey");
  EXPECT_EQ(last_call_.via_service, "s3.amazonaws.com");
  EXPECT_EQ(last_call_.caller.arn, identity(root())->caller.arn);
  const std::map<std::string, std::string> context{{"app", "ledger"}, {"aws:s3:arn", "arn:aws:s3:::bucket/folder/key"}};
  EXPECT_EQ(last_input_.text_map("EncryptionContext"), context);

  EXPECT_TRUE(same(must(open(root(), made.stored, one_)), made.root));
  EXPECT_EQ(last_call_.operation, "Decrypt");
  EXPECT_EQ(last_input_.text_map("EncryptionContext"), context);
  must(open(root(), made.stored, one_));
  EXPECT_EQ(asked_["Decrypt"], 2);  // without a bucket key, each time
}

TEST_F(EncryptionTest, AKeyPolicyMayDemandThatTheKeyIsUsedThroughS3) {
  const std::string id = key_with_policy(kms::key_policy(
      {kms::key_statement(kms::root_arn(kms::kHome), "kms:*",
                          R"(,"Condition":{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}})")}));
  must(make(root(), kms_wish(id), one_));
  EXPECT_EQ(using_key(root(), id), kms::kDenied);
}

TEST_F(EncryptionTest, TheDefaultKeyOfAnAccountIsMadeWhenItIsFirstNeeded) {
  const auto made = must(make(root(), kms_wish(""), one_));
  EXPECT_EQ(asked_["CreateAwsManagedKey"], 1);
  EXPECT_TRUE(same(must(open(root(), made.stored, one_)), made.root));
  const auto again = must(make(root(), kms_wish("alias/aws/s3"), two_));
  EXPECT_EQ(again.stored.kms_key_arn, made.stored.kms_key_arn);
  EXPECT_EQ(asked_["CreateAwsManagedKey"], 1);

  const Value key = *must(kms("DescribeKey", object({{"KeyId", "alias/aws/s3"}}))).find("KeyMetadata");
  EXPECT_EQ(key.text("KeyManager"), "AWS");
  EXPECT_EQ(key.text("Arn"), made.stored.kms_key_arn);
  const std::string id(key.text("KeyId"));
  // It works through S3 alone, for everybody in the account, also for those without a policy on keys.
  EXPECT_NE(using_key(root(), id), "");
  must(make(user("no-keys", iam::allow("s3:*")), kms_wish(""), two_));
  EXPECT_NE(error_of(kms("ScheduleKeyDeletion", object({{"KeyId", id}}))), "");
  EXPECT_NE(error_of(kms("PutKeyPolicy", object({{"KeyId", id}, {"Policy", "{}"}}))), "");
  // Another account has its own.
  must(make(root(iam::kOther), kms_wish(""), two_));
  EXPECT_EQ(asked_["CreateAwsManagedKey"], 2);
}

TEST_F(EncryptionTest, NobodyFromOutsideMakesAnAwsManagedKey) {
  EXPECT_NE(error_of(kms(root(), "CreateAwsManagedKey")), "");
}

TEST_F(EncryptionTest, ALostRightIsAccessDenied) {
  const Keys keys = user("ann");
  const std::string id = key();
  const auto made = must(make(keys, kms_wish(arn(id)), one_));
  allow_user("ann", iam::allow("s3:*"));
  const auto refused = open(keys, made.stored, one_);
  EXPECT_EQ(error_of(refused), "AccessDenied");
  EXPECT_NE(refused.error().message.find("kms:Decrypt"), std::string::npos) << refused.error().message;
  EXPECT_EQ(error_of(make(keys, kms_wish(arn(id)), one_)), "AccessDenied");
}

TEST_F(EncryptionTest, WhatKmsRefusesIsSaidAsS3SaysIt) {
  EXPECT_EQ(error_of(make(root(), kms_wish("00000000-0000-4000-8000-000000000001"), one_)), "KMS.NotFoundException");
  const std::string id = key();
  const auto made = must(make(root(), kms_wish(id), one_));
  must(kms("DisableKey", object({{"KeyId", id}})));
  EXPECT_EQ(error_of(make(root(), kms_wish(id), one_)), "KMS.DisabledException");
  EXPECT_EQ(error_of(open(root(), made.stored, one_)), "KMS.DisabledException");
  EXPECT_EQ(open(root(), made.stored, one_).code(), ErrorCode::kInvalidArgument);
  must(kms("ScheduleKeyDeletion", object({{"KeyId", id}})));
  EXPECT_EQ(error_of(open(root(), made.stored, one_)), "KMS.KMSInvalidStateException");
}

TEST_F(EncryptionTest, WithoutASignatureNoKeyIsUsed) {
  const auto made = must(make(root(), kms_wish(key()), one_));
  api::Call call;
  const Value input = Value::object();
  auto transaction = read();
  const api::Operation anonymous{.call = call, .input = input, .transaction = *transaction};
  EXPECT_EQ(error_of(encryptor_.open_root(anonymous, made.stored, one_, nullptr)), "InvalidArgument");
  const auto plain = must(make(root(), {}, one_));
  must(encryptor_.open_root(anonymous, plain.stored, one_, nullptr));
}

TEST_F(EncryptionTest, TheContextsOwnMemberMayOnlyBeWhatItIs) {
  const std::string id = key();
  EncryptionWish wish = kms_wish(id);
  wish.context = {{"aws:s3:arn", "arn:aws:s3:::bucket/folder/key"}};
  EXPECT_TRUE(must(make(root(), wish, one_)).stored.context.empty());
  EXPECT_EQ(error_of(make(root(), wish, two_)), "InvalidArgument");
}

TEST_F(EncryptionTest, ABlobOfAnotherObjectDoesNotOpen) {
  const std::string id = key();
  const auto a = must(make(root(), kms_wish(id), one_)), b = must(make(root(), kms_wish(id), two_));
  Encryption mixed;
  mixed = a.stored;
  mixed.kms_blob = b.stored.kms_blob;
  EXPECT_FALSE(open(root(), mixed, one_).ok());
}

// ---- bucket keys

TEST_F(EncryptionTest, ABucketKeyAsksKmsOnceForManyObjects) {
  const std::string id = key();
  std::vector<Encryptor::NewRoot> made;
  for (int i = 0; i < 10; ++i)
    made.push_back(must(make(root(), kms_wish(id, true), {"bucket", std::to_string(i), std::to_string(i)})));
  EXPECT_EQ(asked_["GenerateDataKey"], 1);
  EXPECT_EQ(last_input_.text_map("EncryptionContext").at("aws:s3:arn"), "arn:aws:s3:::bucket");
  for (int i = 0; i < 10; ++i) {
    const size_t n = static_cast<size_t>(i);
    EXPECT_TRUE(
        same(must(open(root(), made[n].stored, {"bucket", std::to_string(i), std::to_string(i)})), made[n].root));
  }
  EXPECT_EQ(asked_["Decrypt"], 1);
  must(make(root(), kms_wish(id, true), {"another", "k", "v"}));
  EXPECT_EQ(asked_["GenerateDataKey"], 2);
  clock_.advance(BucketKeys::kKeptFor);
  must(make(root(), kms_wish(id, true), one_));
  EXPECT_EQ(asked_["GenerateDataKey"], 3);
  must(open(root(), made[0].stored, {"bucket", "0", "0"}));
  EXPECT_EQ(asked_["Decrypt"], 2);
}

TEST_F(EncryptionTest, NobodyProfitsFromWhatAnotherMayDecrypt) {
  const std::string id = key();
  const auto made = must(make(root(), kms_wish(id, true), one_));
  must(open(root(), made.stored, one_));
  EXPECT_EQ(error_of(open(user("ann", iam::allow("s3:*")), made.stored, one_)), "AccessDenied");
  // Nor does whoever may encrypt decrypt by what encrypting left in memory.
  const Keys writer = user("bob", iam::allow("kms:GenerateDataKey"));
  const auto written = must(make(writer, kms_wish(arn(id), true), two_));
  EXPECT_EQ(error_of(open(writer, written.stored, two_)), "AccessDenied");
}

TEST_F(EncryptionTest, ALostRightIsLostWithinTheTimeABucketKeyIsKept) {
  const Keys keys = user("ann");
  const std::string id = key();
  const auto made = must(make(keys, kms_wish(arn(id), true), one_));
  must(open(keys, made.stored, one_));
  allow_user("ann", iam::allow("s3:*"));
  clock_.advance(BucketKeys::kKeptFor);
  EXPECT_EQ(error_of(open(keys, made.stored, one_)), "AccessDenied");
  EXPECT_EQ(error_of(make(keys, kms_wish(arn(id), true), one_)), "AccessDenied");
}

TEST(BucketKeysTest, HoldsNoMoreThanItMay) {
  ManualClock clock(WallTime{0});
  BucketKeys keys(clock);
  for (size_t i = 0; i < BucketKeys::kCountMax + 100; ++i) keys.put(std::to_string(i), std::make_shared<BucketKey>());
  size_t found = 0;
  for (size_t i = 0; i < BucketKeys::kCountMax + 100; ++i) found += keys.find(std::to_string(i)) ? 1 : 0;
  EXPECT_EQ(found, BucketKeys::kCountMax);
  clock.advance(BucketKeys::kKeptFor);
  EXPECT_FALSE(keys.find(std::to_string(BucketKeys::kCountMax + 99)));
}

// ---- SSE-C

TEST_F(EncryptionTest, ACustomersKeyIsNeededAgain) {
  const std::string text(32, 'k'), other(32, 'o');
  auto wanted = must(wish(customer_members(text)));
  const Secret right = wanted.customer_key->clone(), wrong = Secret::copy_of(as_bytes(other));
  const auto made = must(make(root(), wanted, one_));
  EXPECT_TRUE(same(must(open(root(), made.stored, one_, &right)), made.root));
  EXPECT_EQ(error_of(open(root(), made.stored, one_)), "InvalidRequest");
  EXPECT_EQ(error_of(open(root(), made.stored, one_, &wrong)), "InvalidRequest");
  Encryption forged;
  forged = made.stored;
  forged.customer_key_md5 = std::string(customer_members(other).text("SSECustomerKeyMD5"));
  EXPECT_EQ(open(root(), forged, one_, &wrong).code(), ErrorCode::kCorruption);
  EXPECT_EQ(error_of(open(root(), must(make(root(), {}, one_)).stored, one_, &right)), "InvalidRequest");
}

TEST_F(EncryptionTest, ACustomersKeyIsCheckedBeforeItIsUsed) {
  const Value good = customer_members(std::string(32, 'k'));
  const auto with = [&](const char* name, Value value) {
    Value changed = good;
    changed.set(name, std::move(value));
    return wish_error(changed);
  };
  EXPECT_EQ(wish_error(good), "");
  EXPECT_EQ(with("SSECustomerAlgorithm", Value()), "InvalidArgument");
  EXPECT_EQ(with("SSECustomerAlgorithm", "AES128"), "InvalidEncryptionAlgorithmError");
  EXPECT_EQ(with("SSECustomerKey", Value()), "InvalidArgument");
  EXPECT_EQ(with("SSECustomerKey", "not base64"), "InvalidArgument");
  EXPECT_EQ(with("SSECustomerKeyMD5", Value()), "InvalidArgument");
  EXPECT_EQ(with("SSECustomerKeyMD5", "AAAAAAAAAAAAAAAAAAAAAA=="), "InvalidArgument");
  EXPECT_EQ(with("ServerSideEncryption", "AES256"), "InvalidArgument");
  EXPECT_EQ(wish_error(customer_members(std::string(31, 'k'))), "InvalidArgument");
}

TEST_F(EncryptionTest, ACustomersKeyDoesNotTravelInClear) {
  const Value good = customer_members(std::string(32, 'k'));
  change_call_ = [](api::Call& call) { call.secure_transport = false; };
  EXPECT_EQ(wish_error(good), "InvalidRequest");
  for (const char* loopback : {"127.0.0.1", "::1"}) {
    change_call_ = [&](api::Call& call) {
      call.secure_transport = false;
      call.source_ip = loopback;
    };
    EXPECT_EQ(wish_error(good), "");
  }
}

TEST_F(EncryptionTest, TheKeyOfACopysSourceHasItsOwnMembers) {
  const auto key_of = [&](const Value& input, const char* prefix) {
    return must(as(root(), input, [&](const api::Operation& o) { return Encryptor::customer_key_of(o, prefix); }));
  };
  const Value input = customer_members(std::string(32, 'k'), "CopySource");
  EXPECT_TRUE(key_of(input, "CopySource"));
  EXPECT_FALSE(key_of(input, ""));
}

// ---- what a request wants

TEST_F(EncryptionTest, TheRequestDecidesThenTheBucket) {
  const Value kms_rule =
      object({{"ApplyServerSideEncryptionByDefault", object({{"SSEAlgorithm", "aws:kms"}, {"KMSMasterKeyID", "k1"}})},
              {"BucketKeyEnabled", true}});
  EXPECT_EQ(must(wish(Value::object())).mode, EncryptionMode::kS3);
  auto by_bucket = must(wish(Value::object(), &kms_rule));
  EXPECT_EQ(by_bucket.mode, EncryptionMode::kKms);
  EXPECT_EQ(by_bucket.kms_key, "k1");
  EXPECT_TRUE(by_bucket.bucket_key);
  EXPECT_FALSE(must(wish(object({{"BucketKeyEnabled", false}}), &kms_rule)).bucket_key);
  EXPECT_EQ(must(wish(object({{"ServerSideEncryption", "AES256"}}), &kms_rule)).mode, EncryptionMode::kS3);
  auto by_request = must(wish(object({{"ServerSideEncryption", "aws:kms"}, {"SSEKMSKeyId", "k2"}}), &kms_rule));
  EXPECT_EQ(by_request.kms_key, "k2");
  EXPECT_TRUE(must(wish(object({{"ServerSideEncryption", "aws:kms"}}), &kms_rule)).kms_key.empty());
}

TEST_F(EncryptionTest, WhatContradictsItselfIsRefused) {
  EXPECT_EQ(wish_error(object({{"ServerSideEncryption", "rot13"}})), "InvalidArgument");
  EXPECT_EQ(wish_error(object({{"ServerSideEncryption", "aws:kms:dsse"}})), "NotImplemented");
  EXPECT_EQ(wish_error(object({{"SSEKMSKeyId", "k"}})), "InvalidArgument");
  EXPECT_EQ(wish_error(object({{"ServerSideEncryption", "AES256"}, {"SSEKMSKeyId", "k"}})), "InvalidArgument");
}

TEST_F(EncryptionTest, AContextIsAMapOfStringsInBase64) {
  const auto with = [&](std::string_view text) {
    return wish(object({{"ServerSideEncryption", "aws:kms"}, {"SSEKMSEncryptionContext", text}}));
  };
  const auto encoded = [](std::string_view json) { return base64_encode(as_bytes(json)); };
  EXPECT_EQ(must(with(encoded(R"({ "a" : "1", "\u00e9":"é" })"))).context,
            (std::map<std::string, std::string>{{"a", "1"}, {"é", "é"}}));
  for (const std::string& bad : {std::string("{}"), encoded("[]"), encoded(R"({"a":1})"), encoded(R"({"a":{}})"),
                                 encoded("{"), encoded(""), encoded(std::string(10'000, '['))})
    EXPECT_EQ(error_of(with(bad)), "InvalidArgument") << bad.substr(0, 50);
}

TEST_F(EncryptionTest, AnswersShowHowAnObjectIsEncrypted) {
  const std::string id = key();
  const auto shown = [&](const EncryptionWish& wish) {
    Value output = Value::object();
    Encryptor::show(must(make(root(), wish, one_)).stored, output);
    return output;
  };
  EXPECT_EQ(shown({}), object({{"ServerSideEncryption", "AES256"}}));
  EncryptionWish wanted = kms_wish(id, true);
  wanted.context = {{"a", "1"}};
  EXPECT_EQ(shown(wanted), object({{"ServerSideEncryption", "aws:kms"},
                                   {"SSEKMSKeyId", arn(id)},
                                   {"BucketKeyEnabled", true},
                                   {"SSEKMSEncryptionContext", base64_encode(as_bytes(R"({"a":"1"})"))}}));
  const Value members = customer_members(std::string(32, 'k'));
  EXPECT_EQ(shown(must(wish(members))),
            object({{"SSECustomerAlgorithm", "AES256"}, {"SSECustomerKeyMD5", members.text("SSECustomerKeyMD5")}}));
}

// ---- as bytes

Encryption example() {
  Encryption e;
  e.mode = EncryptionMode::kKms;
  e.kms_key_arn = "arn:aws:kms:us-east-1:111111111111:key/x";
  e.kms_blob = to_bytes("blob");
  e.context = {{"a", "1"}, {"b", ""}};
  e.bucket_key = true;
  e.customer_key_md5 = "md5";
  e.wrapped_root = to_bytes("root");
  return e;
}

TEST(EncryptionBytes, ComeBack) {
  const Bytes bytes = encode_encryption(example());
  const Encryption back = must(decode_encryption(bytes));
  EXPECT_EQ(encode_encryption(back), bytes);
  EXPECT_EQ(back.mode, EncryptionMode::kKms);
  EXPECT_EQ(back.context, example().context);
  EXPECT_EQ(back.kms_blob, example().kms_blob);
  EXPECT_EQ(back.wrapped_root, example().wrapped_root);
  EXPECT_TRUE(back.bucket_key);
}

TEST(EncryptionBytes, EveryTruncationIsCorruption) {
  Bytes bytes = encode_encryption(example());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(decode_encryption(ByteView(bytes).first(size)).code(), ErrorCode::kCorruption) << size;
  bytes.push_back(std::byte{0});
  EXPECT_EQ(decode_encryption(bytes).code(), ErrorCode::kCorruption);
}

TEST(EncryptionBytes, WhateverIsReadIsWhatIsWritten) {
  const Bytes bytes = encode_encryption(example());
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      Bytes changed = bytes;
      changed[at] = static_cast<std::byte>(value);
      const auto read = decode_encryption(changed);
      EXPECT_TRUE(read.ok() ? encode_encryption(*read) == changed : read.code() == ErrorCode::kCorruption);
    }
  }
}

}  // namespace
}  // namespace coffer::s3
