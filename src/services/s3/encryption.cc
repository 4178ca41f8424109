#include "services/s3/encryption.h"

#include <boost/json.hpp>
#include <mutex>

#include "base/base64.h"
#include "engine/crypto/checksum.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/hmac.h"
#include "engine/crypto/sealed_object.h"
#include "services/api/fault.h"
#include "services/s3/bucket_keys.h"

namespace coffer::s3 {
namespace {

using api::Value;

constexpr uint8_t kVersion = 1;
constexpr std::string_view kDefaultKey = "alias/aws/s3";
constexpr std::string_view kArnContext = "aws:s3:arn";
constexpr std::string_view kServicePrincipal = "s3.amazonaws.com";
constexpr size_t kCustomerKeySize = 32;

Error invalid_argument(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument", std::move(message));
}
Error invalid_request(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidRequest", std::move(message));
}

std::string object_arn(const ObjectIdentity& identity) {
  return "arn:aws:s3:::" + identity.bucket + "/" + identity.key;
}
std::string bucket_arn(const ObjectIdentity& identity) { return "arn:aws:s3:::" + identity.bucket; }

/// A place is shorter than a key may be.
std::string place_of(const ObjectIdentity& identity) {
  Bytes all;
  ByteWriter writer(all);
  for (const std::string* part : {&identity.bucket, &identity.key, &identity.upload_or_version}) writer.string16(*part);
  return "s3-root:" + to_hex(crypto::sha256(all));
}

Bytes wrap(ByteView wrapping_root, ByteView root, const ObjectIdentity& identity, Entropy& entropy) {
  return crypto::seal(wrapping_root,
                      {.kind = crypto::ObjectKind::kObjectKey, .place = place_of(identity), .segment_log2 = 12}, root,
                      entropy);
}

Result<Secret> unwrap(ByteView wrapping_root, const Encryption& stored, const ObjectIdentity& identity) {
  auto root =
      crypto::open_sealed(wrapping_root, crypto::ObjectKind::kObjectKey, place_of(identity), stored.wrapped_root);
  if (!root.ok()) return std::move(root).error().in("opening the key of " + object_arn(identity));
  Secret secret(std::move(*root));
  if (secret.size() != crypto::kRootSize)
    return Error{ErrorCode::kCorruption, "the key of " + object_arn(identity) + " has another size than it had", {}};
  return secret;
}

std::map<std::string, std::string> context_of(const Encryption& stored, const ObjectIdentity& identity) {
  auto context = stored.context;
  context[std::string(kArnContext)] = stored.bucket_key ? bucket_arn(identity) : object_arn(identity);
  return context;
}

/// As S3 tells of a failure of KMS.
Error of_kms(Error error) {
  if (error.code == ErrorCode::kPermissionDenied) {
    error.name = "AccessDenied";
    return error;
  }
  if (error.name.empty()) return error;
  return api::fault(ErrorCode::kInvalidArgument, "KMS." + error.name, std::move(error.message));
}

/// The plain key of an answer, of which no copy stays.
Result<Secret> take_plaintext(Value answer) {
  for (auto& [name, value] : *answer.get_if<api::Members>()) {
    Bytes* bytes = name == "Plaintext" ? value.get_if<Bytes>() : nullptr;
    if (!bytes || bytes->size() != crypto::kRootSize) continue;
    return Secret(std::move(*bytes));
  }
  return Error{ErrorCode::kCorruption, "KMS gave a key of another size than it was asked for", {}};
}

bool is_secure(const api::Call& call) {
  return call.secure_transport || call.source_ip.starts_with("127.") || call.source_ip == "::1";
}

Result<std::map<std::string, std::string>> parse_context(std::string_view encoded) {
  const Error malformed = invalid_argument(
      "The header x-amz-server-side-encryption-context shall be Base64-encoded UTF-8 string holding JSON which "
      "represents a string-string map");
  const auto text = base64_decode(encoded);
  if (!text) return malformed;
  boost::system::error_code failed;
  const boost::json::value json =
      boost::json::parse({reinterpret_cast<const char*>(text->data()), text->size()}, failed, {}, {.max_depth = 2});
  if (failed || !json.is_object()) return malformed;
  std::map<std::string, std::string> context;
  for (const auto& [key, value] : json.get_object()) {
    if (!value.is_string()) return malformed;
    context[std::string(key)] = std::string(value.get_string());
  }
  return context;
}

std::string context_header(const std::map<std::string, std::string>& context) {
  boost::json::object json;
  for (const auto& [key, value] : context) json[key] = value;
  return base64_encode(as_bytes(boost::json::serialize(json)));
}

std::string md5_of(ByteView key) { return base64_encode(crypto::checksum_of(crypto::ChecksumKind::kMd5, key)); }

std::optional<Encryption> read_encryption(ByteView bytes) {
  ByteReader reader(bytes);
  Encryption e;
  const uint8_t version = reader.u8(), mode = reader.u8(), bucket_key = reader.u8();
  e.mode = static_cast<EncryptionMode>(mode);
  e.bucket_key = bucket_key != 0;
  e.kms_key_arn = reader.string16();
  e.kms_blob = to_bytes(reader.bytes(reader.u16()));
  e.customer_key_md5 = reader.string16();
  e.wrapped_root = to_bytes(reader.bytes(reader.u16()));
  const uint16_t pairs = reader.u16();
  for (uint16_t i = 0; i < pairs && reader.ok(); ++i) {
    std::string name = reader.string16();
    e.context[std::move(name)] = reader.string16();
  }
  const bool known = version == kVersion && mode >= 1 && mode <= 3 && bucket_key <= 1 && e.context.size() == pairs;
  return known && reader.done() ? std::optional(std::move(e)) : std::nullopt;
}

}  // namespace

Bytes encode_encryption(const Encryption& e) {
  Bytes out;
  ByteWriter writer(out);
  const auto blob = [&](ByteView bytes) { writer.string16(as_text(bytes)); };
  writer.u8(kVersion);
  writer.u8(static_cast<uint8_t>(e.mode));
  writer.u8(e.bucket_key ? 1 : 0);
  writer.string16(e.kms_key_arn);
  blob(e.kms_blob);
  writer.string16(e.customer_key_md5);
  blob(e.wrapped_root);
  writer.u16(static_cast<uint16_t>(e.context.size()));
  for (const auto& [name, value] : e.context) {
    writer.string16(name);
    writer.string16(value);
  }
  return out;
}

Result<Encryption> decode_encryption(ByteView bytes) {
  auto read = read_encryption(bytes);
  // Pairs in another order would read as well.
  if (!read || encode_encryption(*read) != to_bytes(bytes))
    return Error{ErrorCode::kCorruption, "s3: how an object is encrypted is not as it was written", {}};
  return std::move(*read);
}

struct Encryptor::State {
  api::Invoke invoke;
  Secret own_root;       // wraps the roots of SSE-S3
  Secret customer_salt;  // so that a customer's key opens nothing elsewhere, nor can it be guessed there
  Entropy& entropy;
  BucketKeys bucket_keys;

  State(api::Invoke i, ByteView sealing_root, Clock& clock, Entropy& e)
      : invoke(std::move(i)),
        own_root(crypto::hkdf_expand_sha512(sealing_root, as_bytes("coffer s3 objects v1"), crypto::kRootSize)),
        customer_salt(crypto::hkdf_expand_sha512(sealing_root, as_bytes("coffer s3 customer keys v1"), 64)),
        entropy(e),
        bucket_keys(clock) {}

  [[nodiscard]] Secret root_of(const Secret& customer_key) const {
    const Secret extracted(crypto::hmac_of(crypto::Hash::kSha512, customer_salt.view(), customer_key.view()));
    return Secret(crypto::hkdf_expand_sha512(extracted.view(), as_bytes("coffer s3 objects v1"), crypto::kRootSize));
  }

  Result<Value> ask(const api::Operation& operation, std::string name, const Value& input) const {
    api::Call call = operation.call;
    call.service = "kms";
    call.operation = std::move(name);
    call.via_service = kServicePrincipal;
    return invoke(call, operation.identity, input);
  }

  /// As on AWS, the key that an account has for S3 is made when it is first needed.
  Status make_default_key(const api::Operation& operation) const {
    api::Call call = operation.call;
    call.service = "kms";
    call.operation = "CreateAwsManagedKey";
    call.source_account = operation.call.caller.account;
    call.caller = api::Caller{};
    call.caller.kind = api::Caller::Kind::kService;
    call.caller.arn = kServicePrincipal;
    COFFER_CHECK_OK(invoke(call, nullptr, Value::object()));
    return ok_status();
  }

  Result<Value> generate(const api::Operation& operation, const std::string& key,
                         const std::map<std::string, std::string>& context) const {
    const Value input = Value::object(
        {{"KeyId", key}, {"NumberOfBytes", int64_t{crypto::kRootSize}}, {"EncryptionContext", api::text_map(context)}});
    auto generated = ask(operation, "GenerateDataKey", input);
    if (!generated.ok() && generated.error().name == "NotFoundException" &&
        (key == kDefaultKey || key.ends_with(":" + std::string(kDefaultKey)))) {
      COFFER_CHECK_OK(make_default_key(operation));
      generated = ask(operation, "GenerateDataKey", input);
    }
    return generated;
  }

  Result<std::shared_ptr<const BucketKey>> new_key(const api::Operation& operation, const EncryptionWish& wish,
                                                   const Encryption& stored, const ObjectIdentity& identity) {
    const auto context = context_of(stored, identity);
    const std::string key = wish.kms_key.empty() ? std::string(kDefaultKey) : wish.kms_key;
    const std::string name = BucketKeys::name_of(operation.call, {"encrypt", key}, context);
    if (wish.bucket_key) {
      if (auto known = bucket_keys.find(name)) return known;
    }
    auto generated = generate(operation, key, context);
    if (!generated.ok()) return of_kms(std::move(generated).error());
    auto made = std::make_shared<BucketKey>();
    made->kms_key_arn = generated->text("KeyId");
    made->kms_blob = to_bytes(generated->blob("CiphertextBlob"));
    COFFER_TRY(made->root, take_plaintext(std::move(*generated)));
    if (wish.bucket_key) bucket_keys.put(name, made);
    return std::shared_ptr<const BucketKey>(made);
  }

  Result<std::shared_ptr<const BucketKey>> known_key(const api::Operation& operation, const Encryption& stored,
                                                     const ObjectIdentity& identity) {
    const auto context = context_of(stored, identity);
    // By the blob, not by the key: a key encrypts many.
    const std::string name =
        BucketKeys::name_of(operation.call, {"decrypt", to_hex(crypto::sha256(stored.kms_blob))}, context);
    if (stored.bucket_key) {
      if (auto known = bucket_keys.find(name)) return known;
    }
    auto opened = ask(operation, "Decrypt",
                      Value::object({{"CiphertextBlob", stored.kms_blob},
                                     {"KeyId", stored.kms_key_arn},
                                     {"EncryptionContext", api::text_map(context)}}));
    if (!opened.ok()) return of_kms(std::move(opened).error());
    auto made = std::make_shared<BucketKey>();
    COFFER_TRY(made->root, take_plaintext(std::move(*opened)));
    if (stored.bucket_key) bucket_keys.put(name, made);
    return std::shared_ptr<const BucketKey>(made);
  }
};

Encryptor::Encryptor(api::Invoke invoke, ByteView sealing_root, Clock& clock, Entropy& entropy)
    : state_(std::make_unique<State>(std::move(invoke), sealing_root, clock, entropy)) {}
Encryptor::~Encryptor() = default;

namespace {

/// S3 asks for a signature before it lets anybody near a key.
Status check_signed(const api::Operation& operation) {
  if (operation.identity || operation.call.caller.kind == api::Caller::Kind::kService) return ok_status();
  return invalid_argument(
      "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.");
}

}  // namespace

Result<Encryptor::NewRoot> Encryptor::make_root(const api::Operation& operation, const EncryptionWish& wish,
                                                const ObjectIdentity& identity) {
  Bytes random(crypto::kRootSize);
  state_->entropy.fill(random);
  NewRoot made{Secret(std::move(random)), {}};
  Encryption& stored = made.stored;
  stored.mode = wish.mode;
  const auto wrap_by = [&](ByteView wrapping_root) {
    stored.wrapped_root = wrap(wrapping_root, made.root.view(), identity, state_->entropy);
  };
  switch (wish.mode) {
    case EncryptionMode::kS3: wrap_by(state_->own_root.view()); break;
    case EncryptionMode::kCustomer:
      COFFER_ASSERT(wish.customer_key);
      stored.customer_key_md5 = md5_of(wish.customer_key->view());
      wrap_by(state_->root_of(*wish.customer_key).view());
      break;
    case EncryptionMode::kKms: {
      COFFER_CHECK_OK(check_signed(operation));
      stored.bucket_key = wish.bucket_key;
      stored.context = wish.context;
      if (const auto arn = stored.context.find(std::string(kArnContext)); arn != stored.context.end()) {
        if (arn->second != object_arn(identity) && arn->second != bucket_arn(identity))
          return invalid_argument("The encryption context may not have the key " + std::string(kArnContext) + ".");
        stored.context.erase(arn);
      }
      COFFER_TRY(const auto key, state_->new_key(operation, wish, stored, identity));
      stored.kms_key_arn = key->kms_key_arn;
      stored.kms_blob = key->kms_blob;
      wrap_by(key->root.view());
      break;
    }
  }
  return made;
}

Result<Secret> Encryptor::open_root(const api::Operation& operation, const Encryption& stored,
                                    const ObjectIdentity& identity, const Secret* customer_key) {
  if (stored.mode != EncryptionMode::kCustomer && customer_key)
    return invalid_request("The encryption parameters are not applicable to this object.");
  switch (stored.mode) {
    case EncryptionMode::kS3: return unwrap(state_->own_root.view(), stored, identity);
    case EncryptionMode::kCustomer:
      if (!customer_key)
        return invalid_request(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
            "retrieve the object.");
      if (md5_of(customer_key->view()) != stored.customer_key_md5)
        return invalid_request("The provided encryption parameters did not match the ones used originally.");
      return unwrap(state_->root_of(*customer_key).view(), stored, identity);
    case EncryptionMode::kKms: break;
  }
  COFFER_CHECK_OK(check_signed(operation));
  COFFER_TRY(const auto key, state_->known_key(operation, stored, identity));
  return unwrap(key->root.view(), stored, identity);
}

Result<Secret> Encryptor::open_own_root(const Encryption& stored, const ObjectIdentity& identity) {
  if (stored.mode != EncryptionMode::kS3)
    return Error{
        ErrorCode::kFailedPrecondition, "the key of " + object_arn(identity) + " is not the installation's", {}};
  return unwrap(state_->own_root.view(), stored, identity);
}

Result<EncryptionWish> Encryptor::wish_of(const api::Operation& operation, const Value* default_rule) {
  const Value& input = operation.input;
  const std::string_view method = input.text("ServerSideEncryption");
  EncryptionWish wish;
  COFFER_TRY(wish.customer_key, customer_key_of(operation));
  if (wish.customer_key) {
    if (!method.empty() || input.has("SSEKMSKeyId") || input.has("SSEKMSEncryptionContext"))
      return invalid_argument(
          "Server Side Encryption with Customer provided key is incompatible with the encryption method specified");
    wish.mode = EncryptionMode::kCustomer;
    return wish;
  }
  if (method == "aws:kms:dsse" || method == "aws:fsx")
    return api::fault(ErrorCode::kInvalidArgument, "NotImplemented",
                      "A header you provided implies functionality that is not implemented");
  if (!method.empty() && method != "AES256" && method != "aws:kms")
    return invalid_argument("The encryption method specified is not supported");
  if (method != "aws:kms" && (input.has("SSEKMSKeyId") || input.has("SSEKMSEncryptionContext")))
    return invalid_argument(
        "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms");
  const Value* by_default = default_rule ? default_rule->find("ApplyServerSideEncryptionByDefault") : nullptr;
  const bool kms_by_default = method.empty() && by_default && by_default->text("SSEAlgorithm") == "aws:kms";
  if (method != "aws:kms" && !kms_by_default) return wish;
  wish.mode = EncryptionMode::kKms;
  wish.kms_key = kms_by_default ? by_default->text("KMSMasterKeyID") : input.text("SSEKMSKeyId");
  wish.bucket_key = input.flag("BucketKeyEnabled", default_rule && default_rule->flag("BucketKeyEnabled"));
  if (input.has("SSEKMSEncryptionContext")) {
    COFFER_TRY(wish.context, parse_context(input.text("SSEKMSEncryptionContext")));
  }
  return wish;
}

Result<std::optional<Secret>> Encryptor::customer_key_of(const api::Operation& operation, std::string_view prefix) {
  const auto member = [&](const char* name) { return operation.input.text_if(std::string(prefix) + name); };
  const auto algorithm = member("SSECustomerAlgorithm"), encoded = member("SSECustomerKey"),
             md5 = member("SSECustomerKeyMD5");
  if (!algorithm && !encoded && !md5) return std::optional<Secret>();
  if (!is_secure(operation.call))
    return invalid_request(
        "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure "
        "connection.");
  const std::string requests = "Requests specifying Server Side Encryption with Customer provided keys must provide ";
  if (!algorithm) return invalid_argument(requests + "a valid encryption algorithm.");
  if (*algorithm != "AES256")
    return api::fault(ErrorCode::kInvalidArgument, "InvalidEncryptionAlgorithmError",
                      "The encryption request you specified is not valid. The valid value is AES256.");
  if (!encoded) return invalid_argument(requests + "an appropriate secret key.");
  if (!md5) return invalid_argument(requests + "the client calculated MD5 of the secret key.");
  auto decoded = base64_decode(*encoded);
  if (!decoded) return invalid_argument("The secret key was invalid for the specified algorithm.");
  Secret key(std::move(*decoded));
  if (key.size() != kCustomerKeySize)
    return invalid_argument("The secret key was invalid for the specified algorithm.");
  if (md5_of(key.view()) != *md5)
    return invalid_argument("The calculated MD5 hash of the key did not match the hash that was provided.");
  return std::optional<Secret>(std::move(key));
}

void Encryptor::show(const Encryption& stored, Value& output) {
  switch (stored.mode) {
    case EncryptionMode::kS3: output.set("ServerSideEncryption", "AES256"); return;
    case EncryptionMode::kCustomer:
      output.set("SSECustomerAlgorithm", "AES256");
      output.set("SSECustomerKeyMD5", stored.customer_key_md5);
      return;
    case EncryptionMode::kKms: break;
  }
  output.set("ServerSideEncryption", "aws:kms");
  output.set("SSEKMSKeyId", stored.kms_key_arn);
  if (stored.bucket_key) output.set("BucketKeyEnabled", true);
  if (!stored.context.empty()) output.set("SSEKMSEncryptionContext", context_header(stored.context));
}

}  // namespace coffer::s3
