#include "services/iam/secrets.h"

#include "base/base64.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/sealed_object.h"
#include "services/iam/faults.h"

namespace coffer::iam {
namespace {

constexpr uint8_t kSessionVersion = 1;
constexpr size_t kSessionSizeMax = 16 * 1024;

Bytes seal_at(ByteView root, std::string place, ByteView plain, Entropy& entropy) {
  crypto::SealParameters parameters;
  parameters.object_id = entropy.array<16>();
  parameters.kind = crypto::ObjectKind::kCredential;
  parameters.place = std::move(place);
  parameters.segment_log2 = 12;
  return crypto::seal(root, parameters, plain, entropy);
}

Result<Bytes> open_at(ByteView root, const std::string& place, ByteView sealed) {
  return crypto::open_sealed(root, crypto::ObjectKind::kCredential, place, sealed);
}

std::string key_place(std::string_view access_key_id) { return "iam/access-key/" + std::string(access_key_id); }
std::string session_place(std::string_view access_key_id) { return "sts/session/" + std::string(access_key_id); }

void write_text(ByteWriter& writer, std::string_view text) {
  writer.u32(static_cast<uint32_t>(text.size()));
  writer.bytes(as_bytes(text));
}
std::string read_text(ByteReader& reader) { return to_text(reader.bytes(reader.u32())); }

void write_texts(ByteWriter& writer, const std::vector<std::string>& texts) {
  writer.u16(static_cast<uint16_t>(texts.size()));
  for (const std::string& text : texts) write_text(writer, text);
}
std::vector<std::string> read_texts(ByteReader& reader) {
  std::vector<std::string> texts;
  for (int left = reader.u16(); left > 0 && reader.ok(); --left) texts.push_back(read_text(reader));
  return texts;
}

}  // namespace

std::string new_id(std::string_view prefix, Entropy& entropy, size_t digits) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string id(prefix);
  Bytes random(digits);
  entropy.fill(random);
  for (std::byte b : random) id += kAlphabet[static_cast<size_t>(b) & 31];
  return id;
}

Secret new_secret_access_key(Entropy& entropy) {
  auto random = entropy.array<30>();
  std::string text = base64_encode(random);
  Secret secret = Secret::copy_of(as_bytes(text));
  wipe(random);
  wipe({reinterpret_cast<std::byte*>(text.data()), text.size()});
  return secret;
}

Bytes seal_secret(ByteView root, std::string_view access_key_id, const Secret& secret, Entropy& entropy) {
  return seal_at(root, key_place(access_key_id), secret.view(), entropy);
}

Result<Secret> open_secret(ByteView root, std::string_view access_key_id, ByteView sealed) {
  COFFER_TRY(Bytes plain, open_at(root, key_place(access_key_id), sealed));
  return Secret(std::move(plain));
}

std::string seal_session(ByteView root, const Session& session, Entropy& entropy) {
  const api::Caller& caller = session.caller;
  Bytes plain;
  plain.reserve(kSessionSizeMax);  // so that no outgrown copy of it stays behind
  ByteWriter writer(plain);
  writer.u8(kSessionVersion);
  writer.u8(static_cast<uint8_t>(caller.kind));
  for (const std::string* text : {&caller.account, &caller.arn, &caller.principal_arn, &caller.principal_id,
                                  &caller.user_id, &caller.user_name, &caller.session_name, &caller.source_identity})
    write_text(writer, *text);
  writer.u64(static_cast<uint64_t>(caller.token_issued.value_or(WallTime{}).micros));
  writer.u64(static_cast<uint64_t>(session.expires.micros));
  writer.u8(caller.service_linked);
  writer.u16(static_cast<uint16_t>(caller.tags.size()));
  for (const auto& [key, value] : caller.tags) {
    write_text(writer, key);
    write_text(writer, value);
  }
  write_texts(writer, session.transitive_tags);
  writer.u8(session.has_policies);
  write_texts(writer, session.policies);
  write_texts(writer, session.policy_arns);
  write_text(writer, as_text(session.secret_access_key.view()));
  const Bytes sealed = seal_at(root, session_place(caller.access_key_id), plain, entropy);
  wipe(plain);
  return base64_encode(sealed);
}

Result<Session> open_session(ByteView root, std::string_view access_key_id, std::string_view token) {
  const Error invalid = invalid_token();
  const std::optional<Bytes> sealed = base64_decode(token);
  if (!sealed) return invalid;
  Result<Bytes> plain = open_at(root, session_place(access_key_id), *sealed);
  if (!plain.ok()) return invalid;
  ByteReader reader(*plain);
  if (reader.u8() != kSessionVersion) return invalid;
  Session session;
  api::Caller& caller = session.caller;
  caller.kind = static_cast<api::Caller::Kind>(reader.u8());
  for (std::string* text : {&caller.account, &caller.arn, &caller.principal_arn, &caller.principal_id, &caller.user_id,
                            &caller.user_name, &caller.session_name, &caller.source_identity})
    *text = read_text(reader);
  caller.token_issued = WallTime{static_cast<int64_t>(reader.u64())};
  session.expires = WallTime{static_cast<int64_t>(reader.u64())};
  caller.service_linked = reader.u8() != 0;
  for (int left = reader.u16(); left > 0 && reader.ok(); --left) {
    std::string key = read_text(reader);
    caller.tags[std::move(key)] = read_text(reader);
  }
  session.transitive_tags = read_texts(reader);
  session.has_policies = reader.u8() != 0;
  session.policies = read_texts(reader);
  session.policy_arns = read_texts(reader);
  session.secret_access_key = Secret::copy_of(reader.bytes(reader.u32()));
  caller.access_key_id = access_key_id;
  const bool whole = reader.done();
  wipe(*plain);
  if (!whole) return invalid;
  return session;
}

std::string seal_message(ByteView root, std::string_view json, Entropy& entropy) {
  return base64_encode(seal_at(root, "sts/message", as_bytes(json), entropy));
}

Result<std::string> open_message(ByteView root, std::string_view encoded) {
  const std::optional<Bytes> sealed = base64_decode(encoded);
  Result<Bytes> plain = sealed ? open_at(root, "sts/message", *sealed) : Result<Bytes>(Error{});
  if (!plain.ok()) {
    return api::fault(ErrorCode::kInvalidArgument, "InvalidAuthorizationMessageException",
                      "Message is not valid. It may have been altered, or it is not one of this installation.");
  }
  return to_text(*plain);
}

}  // namespace coffer::iam
