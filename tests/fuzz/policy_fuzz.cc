// Policies: refused, or what was parsed answers any question in time, with and without an explanation alike.
//
// The first byte chooses the kind, the second the caller; then action, resource and one condition value, each up to a
// NUL, then the document.
#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "fuzz/require.h"
#include "services/policy/evaluate.h"

namespace {

using namespace coffer;
using namespace coffer::policy;

/// Matching by a table, which is slow and plain; '?' as in the real one takes a whole UTF-8 character.
bool matches_by_table(std::string_view pattern, std::string_view text) {
  const auto continues = [&](size_t at) { return at < text.size() && (text[at] & 0xC0) == 0x80; };
  std::vector<char> now(text.size() + 1, 0), next(text.size() + 1, 0);
  now[0] = 1;
  for (const char p : pattern) {
    std::fill(next.begin(), next.end(), 0);
    bool reached = false;
    for (size_t at = 0; at <= text.size(); ++at) {
      reached = reached || now[at];
      if (p == '*') next[at] = reached;
      if (p == '*' || !now[at] || at == text.size()) continue;
      if (p == text[at] && p != '?') next[at + 1] = 1;
      if (p != '?' || continues(at)) continue;
      size_t end = at + 1;
      next[end] = 1;
      while (continues(end)) next[++end] = 1;
    }
    now.swap(next);
  }
  return now[text.size()];
}

api::Caller caller_of(uint8_t choice) {
  api::Caller caller;
  caller.kind = static_cast<api::Caller::Kind>(choice % 6);
  if (caller.kind == api::Caller::Kind::kAnonymous) return caller;
  caller.arn = caller.principal_arn =
      caller.kind == api::Caller::Kind::kService ? "s3.amazonaws.com" : "arn:aws:iam::111122223333:user/alice";
  if (caller.kind == api::Caller::Kind::kService) return caller;
  caller.account = "111122223333";
  caller.principal_id = "AIDA0000000000000USER";
  return caller;
}

void ask(const DocumentPtr& document, const api::Caller& caller, std::string_view action, std::string_view resource,
         const RequestContext& context) {
  const NamedDocument named{"p", "IAM Policy", document};
  PrincipalPolicies policies;
  ResourceSide side;
  switch (document->kind()) {
    case Kind::kIdentity: policies.identity = {named}; break;
    case Kind::kService: policies.service_control = {{named}}; break;
    case Kind::kResourceControl: side.resource_control = {{named}}; break;
    default: side.policy = document.get(); break;
  }
  const Query query{caller, action, resource, "", context};
  const Decision plain = evaluate(query, policies, side);
  Explanation explanation;
  const Decision explained = evaluate(query, policies, side, &explanation);
  require(plain.outcome == explained.outcome && plain.decided_by == explained.decided_by);
  require(plain.outcome != Outcome::kExplicitDeny || !explanation.matched.empty());
  static_cast<void>(denial_message(query, plain));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto kind = static_cast<Kind>(data[0] % 6);
  std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto take = [&] {
    const size_t end = std::min(rest.find('\0'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
  };
  const std::string_view action = take(), resource = take(), value = take();

  if (resource.size() * value.size() < 1 << 16)
    require(glob_match(resource, value) == matches_by_table(resource, value));

  const auto document = Document::parse(rest, kind);
  static_cast<void>(size_without_whitespace(rest));
  if (!document.ok()) {
    require(document.error().code == ErrorCode::kInvalidArgument && !document.error().message.empty());
    return 0;
  }
  require((*document)->text() == rest && !(*document)->statements().empty());
  static_cast<void>((*document)->principals());
  RequestContext context;
  context.set("aws:username", std::string(value));
  for (const std::string& key : (*document)->context_keys()) context.set(key, std::string(value));
  ask(*document, caller_of(data[1]), action, resource, context);
  return 0;
}
