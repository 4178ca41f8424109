// Server-side encryption: which key an object's own key is wrapped by. Every object has a random 64-byte root under
// which its pieces are sealed; the root is kept sealed under a wrapping root that comes from the installation (SSE-S3),
// a KMS key or a bucket key made by one (SSE-KMS), or the customer's key (SSE-C).
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/entropy.h"
#include "base/secret.h"
#include "services/api/action.h"

namespace coffer::s3 {

enum class EncryptionMode : uint8_t { kS3 = 1, kKms = 2, kCustomer = 3 };

/// What a request, or the bucket's default, wants.
struct EncryptionWish {
  EncryptionMode mode = EncryptionMode::kS3;
  std::string kms_key;  // as named by the client; empty: the account's alias aws/s3
  std::map<std::string, std::string> context;
  bool bucket_key = false;
  std::optional<Secret> customer_key;  // 32 bytes
};

/// What is stored beside an object.
struct Encryption {
  EncryptionMode mode = EncryptionMode::kS3;
  std::string kms_key_arn;
  Bytes kms_blob;                              // the wrapping root, encrypted by KMS
  std::map<std::string, std::string> context;  // the client's own pairs
  bool bucket_key = false;
  std::string customer_key_md5;  // base64, as S3 shows it
  Bytes wrapped_root;
};
Bytes encode_encryption(const Encryption& encryption);
Result<Encryption> decode_encryption(ByteView bytes);

/// Whose object it is: bound into what is wrapped, and into the KMS encryption context (aws:s3:arn).
struct ObjectIdentity {
  std::string bucket, key;
  std::string upload_or_version;  // the id under which the root was made; part of the wrapped root's place
};

/// Safe from many threads. Calls KMS as the caller of `operation`, via "s3.<region>.amazonaws.com".
class Encryptor {
 public:
  Encryptor(api::Invoke invoke, ByteView sealing_root, Clock& clock, Entropy& entropy);
  ~Encryptor();

  struct NewRoot {
    Secret root;  // 64 bytes
    Encryption stored;
  };
  /// Errors as S3 names them: "KMS.NotFoundException", "KMS.DisabledException", "AccessDenied" ...
  Result<NewRoot> make_root(const api::Operation& operation, const EncryptionWish& wish,
                            const ObjectIdentity& identity);
  /// `customer_key`: what the request brought. "InvalidRequest" when the object needs one, or another: S3's texts.
  Result<Secret> open_root(const api::Operation& operation, const Encryption& stored, const ObjectIdentity& identity,
                           const Secret* customer_key);

  /// Of an object with SSE-S3, for which nobody needs to be asked. kFailedPrecondition for any other.
  Result<Secret> open_own_root(const Encryption& stored, const ObjectIdentity& identity);

  /// The wish in a request's members (ServerSideEncryption, SSEKMSKeyId, SSEKMSEncryptionContext, BucketKeyEnabled,
  /// SSECustomer...), else the bucket's default (the Rule of its ServerSideEncryptionConfiguration; null: SSE-S3).
  /// `secure`: SSE-C is refused over plain HTTP unless the client is on loopback.
  static Result<EncryptionWish> wish_of(const api::Operation& operation, const api::Value* default_rule);
  /// The customer's key of a read ("SSECustomer..." members, or with `prefix` "CopySource" their twins); nothing when
  /// the request has none.
  static Result<std::optional<Secret>> customer_key_of(const api::Operation& operation, std::string_view prefix = "");
  /// ServerSideEncryption, SSEKMSKeyId, SSECustomerAlgorithm ... of an answer.
  static void show(const Encryption& stored, api::Value& output);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::s3
