// The policy language: documents as IAM, KMS, S3 and Organizations take them.
//
// Vocabulary. document: one JSON policy. statement: Effect, whom, what, on what, when. kind: where the document hangs,
// which decides what it may contain. Grammar: IAM User Guide, "Grammar of the IAM JSON policy language".
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace coffer::policy {

enum class Kind {
  kIdentity,  // on a user, group or role; also permissions boundaries and session policies
  kResource,  // bucket, vault and other resource policies
  kKey,       // KMS key policy: Sid may hold spaces, Resource "*" means the key
  kTrust,     // who may assume a role: no Resource
  kService,   // service control policy
  kResourceControl,
};

/// One string with wildcards and policy variables, prepared for matching in linear time.
class Pattern;
/// One `operator: {key: values}` line of a Condition.
struct Condition;

struct PrincipalEntry {
  enum class Type { kAnyone, kAws, kService, kFederated, kCanonicalUser };
  Type type = Type::kAnyone;
  std::string value;  // as written; account ids stay as they are
};

struct Statement;

/// A parsed, immutable document. Cheap to share between threads.
class Document {
 public:
  /// kInvalidArgument, name "MalformedPolicyDocument" (the caller may rename it for its service), says what is wrong
  /// and where. Sizes are checked by the caller.
  static Result<std::shared_ptr<const Document>> parse(std::string_view text, Kind kind);
  ~Document();

  [[nodiscard]] const std::string& text() const { return text_; }  // as given
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const std::vector<Statement>& statements() const { return statements_; }
  /// Principals of all statements (Principal and NotPrincipal), so that a service can check that they exist.
  [[nodiscard]] std::vector<PrincipalEntry> principals() const;
  /// Condition keys that the document looks at, as written, sorted, each once.
  [[nodiscard]] std::vector<std::string> context_keys() const;

 private:
  Document();
  std::string text_;
  Kind kind_ = Kind::kIdentity;
  std::vector<Statement> statements_;
};

/// The text without whitespace outside strings has this many characters: what AWS's size quotas count.
size_t size_without_whitespace(std::string_view policy_text);

/// Does `pattern` with `*` and `?` match `text`? Linear in the length of both.
bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case = false);

}  // namespace coffer::policy
