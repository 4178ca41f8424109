// POST Object: an upload by a browser's form, as a PutObject.
#pragma once
#include <memory>
#include <optional>

#include "edge/wire/front_progress.h"
#include "edge/wire/s3_form.h"
#include "edge/wire/s3_post_policy.h"
#include "edge/wire/sigv4.h"

namespace coffer::wire {

class S3Post {
 public:
  /// Reads the fields in front of the file. `body` outlives it; so does `at`, whose error elements learn of a file of a
  /// forbidden size.
  static Result<S3Post> read(const Context& context, api::RequestBody& body, const Request& request, Progress& at);
  S3Post(S3Post&&) noexcept;
  ~S3Post();

  /// What the form says about its signature; nothing when it has none. Malformed ones were refused by read().
  [[nodiscard]] const std::optional<SignatureClaim>& claim() const;
  /// The signature over the policy document, and its age (Version 2 names none).
  Status verify(const SignatureClaim& claim, ByteView secret_access_key) const;
  /// A signed form has a document; an unsigned one may do without.
  Status check_policy(WallTime now);

  /// The request that would put the same object: path style, fields as headers. Without its body.
  [[nodiscard]] Request as_put() const;
  /// The field "tagging" (a document) as the member Tagging.
  Status add_tags(api::Value& input) const;
  /// The file, which is as long as the policy allows.
  [[nodiscard]] api::RequestBody& file() const;
  /// What the form wants to be answered, from the answer of the PutObject.
  [[nodiscard]] Response answer(Response stored, const Progress& at) const;

 private:
  struct State;
  explicit S3Post(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace coffer::wire
