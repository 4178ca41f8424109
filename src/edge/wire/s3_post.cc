#include "edge/wire/s3_post.h"

#include <algorithm>

#include "base/base64.h"
#include "edge/wire/codec.h"
#include "edge/wire/sigv2.h"
#include "edge/wire/sigv4_canonical.h"
#include "edge/wire/sigv4_keys.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr std::chrono::hours kSigningKeyLife{24 * 7};
constexpr std::string_view kFileName = "${filename}";

Error argument(std::string message) {
  return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument", std::move(message));
}
Error field_is_missing(std::string_view name) {
  return argument("Bucket POST must contain a field named '" + std::string(name) +
                  "'.  If it is specified, please check the order of the fields.");
}

/// The field's name as a header of a PUT; empty: it is none.
std::string_view header_of(std::string_view field) {
  static constexpr std::string_view kSame[] = {"cache-control",    "content-disposition", "content-encoding",
                                               "content-language", "content-type",        "expires"};
  static constexpr std::string_view kOfTheSignature[] = {"x-amz-algorithm", "x-amz-credential", "x-amz-date",
                                                         "x-amz-signature", "x-amz-security-token"};
  if (field == "acl") return "x-amz-acl";
  if (std::find(std::begin(kSame), std::end(kSame), field) != std::end(kSame)) return field;
  const bool signs =
      std::find(std::begin(kOfTheSignature), std::end(kOfTheSignature), field) != std::end(kOfTheSignature);
  return field.starts_with("x-amz-") && !signs ? field : std::string_view();
}

bool is_field_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

/// Without the folders that some browsers send.
std::string_view base_name(std::string_view path) {
  const size_t slash = path.find_last_of("/\\");
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// Of Signature Version 2, which many forms still have: it signs the policy document alone, as the newer one does.
Result<std::optional<SignatureClaim>> v2_claim_of(const S3Form& form) {
  if (form.find("x-amz-signature") || form.find("x-amz-credential"))
    return api::fault(ErrorCode::kInvalidArgument, "InvalidRequest",
                      "Only one auth mechanism allowed; the form has fields of Signature Version 2 and of Version 4.");
  for (std::string_view name : {"awsaccesskeyid", "signature", "policy"}) {
    if (!form.find(name)) return field_is_missing(name);
  }
  SignatureClaim claim;
  claim.version = SignatureClaim::Version::k2;
  claim.service = "s3";
  claim.access_key_id = *form.find("awsaccesskeyid");
  claim.signature = *form.find("signature");
  if (const std::string* token = form.find("x-amz-security-token")) claim.session_token = *token;
  return std::optional(std::move(claim));
}

/// In the form of an Authorization header, whose reader knows every way in which it can be wrong.
Result<std::optional<SignatureClaim>> claim_of(const S3Form& form) {
  const std::string* signature = form.find("x-amz-signature");
  const std::string* credential = form.find("x-amz-credential");
  if (form.find("awsaccesskeyid") || form.find("signature")) return v2_claim_of(form);
  if (!signature && !credential) return std::optional<SignatureClaim>();
  for (std::string_view name : {"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "policy"}) {
    if (!form.find(name)) return field_is_missing(name);
  }
  const std::string* algorithm = form.find("x-amz-algorithm");
  const std::string* token = form.find("x-amz-security-token");
  if (*algorithm != "AWS4-HMAC-SHA256")
    return argument("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"");
  Request signed_one;
  signed_one.headers.add(
      "Authorization", "AWS4-HMAC-SHA256 Credential=" + *credential + ", SignedHeaders=host, Signature=" + *signature);
  signed_one.headers.add("X-Amz-Date", *form.find("x-amz-date"));
  if (token) signed_one.headers.add("X-Amz-Security-Token", *token);
  COFFER_TRY(std::optional<SignatureClaim> claim, read_signature_claim(signed_one));
  if (claim && claim->service != "s3") return argument("The credential of a form must be scoped to s3.");
  return claim;
}

}  // namespace

struct S3Post::State {
  State(api::RequestBody& body, const Request& request, Progress& progress)
      : at(progress), reader(body, request.headers.get("content-type")), file(*this) {}

  class File final : public api::RequestBody {
   public:
    explicit File(State& state) : state_(state) {}
    [[nodiscard]] std::optional<uint64_t> size() const override { return std::nullopt; }
    [[nodiscard]] bool is_form() const override { return true; }
    Result<size_t> read(const Context& context, MutableByteView out) override {
      COFFER_TRY(const size_t size, state_.reader.read_file(context, out));
      seen_ += size;
      const PostLimits& allowed = state_.limits;
      if (seen_ > allowed.size_max)
        return wrong_size("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", "MaxSizeAllowed",
                          allowed.size_max);
      if (size == 0 && !out.empty() && seen_ < allowed.size_min)
        return wrong_size("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size",
                          "MinSizeAllowed", allowed.size_min);
      return size;
    }

   private:
    Error wrong_size(std::string_view code, std::string message, const char* limit, uint64_t bound) {
      auto& elements = state_.at.reply.error_elements;
      elements.emplace_back("ProposedSize", std::to_string(seen_));
      elements.emplace_back(limit, std::to_string(bound));
      return api::fault(ErrorCode::kInvalidArgument, code, std::move(message));
    }

    State& state_;
    uint64_t seen_ = 0;
  };

  Progress& at;
  S3FormReader reader;
  S3Form form;
  std::string key, url;  // of the bucket, without a slash at its end
  std::optional<SignatureClaim> claim;
  PostLimits limits;
  File file;
};

S3Post::S3Post(std::unique_ptr<State> state) : state_(std::move(state)) {}
S3Post::S3Post(S3Post&&) noexcept = default;
S3Post::~S3Post() = default;

Result<S3Post> S3Post::read(const Context& context, api::RequestBody& body, const Request& request, Progress& at) {
  auto state = std::make_unique<State>(body, request, at);
  COFFER_TRY(state->form, state->reader.read_fields(context));
  const std::string* key = state->form.find("key");
  if (!key) return field_is_missing("key");
  state->key = *key;
  if (const size_t mark = state->key.find(kFileName); mark != std::string::npos)
    state->key.replace(mark, kFileName.size(), base_name(state->form.file_name));
  if (state->key.empty())
    return api::fault(ErrorCode::kInvalidArgument, "UserKeyMustBeSpecified",
                      "User key must have a length greater than 0.");
  for (const auto& [name, value] : state->form.fields) {
    if (!header_of(name).empty() && !is_field_name(name))
      return argument("The field '" + name + "' cannot be a header.");
  }
  COFFER_TRY(state->claim, claim_of(state->form));
  state->url = (request.secure ? "https://" : "http://") + std::string(request.headers.get("host"));
  if (!at.bucket_in_host) state->url += "/" + percent_encode(at.bucket);
  return S3Post(std::move(state));
}

const std::optional<SignatureClaim>& S3Post::claim() const { return state_->claim; }

Status S3Post::verify(const SignatureClaim& claim, ByteView secret_access_key) const {
  const auto compare = [&](std::string_view signature) -> Status {
    if (crypto::equal_constant_time(as_bytes(signature), as_bytes(claim.signature))) return ok_status();
    return api::fault(ErrorCode::kUnauthenticated, "SignatureDoesNotMatch",
                      "The request signature we calculated does not match the signature you provided. Check your key "
                      "and signing method.");
  };
  const ByteView document = as_bytes(*state_->form.find("policy"));
  if (claim.version == SignatureClaim::Version::k2) return compare(v2_signature(secret_access_key, as_text(document)));
  const WallTime now = state_->at.call.time;
  if (now > claim.time + kSigningKeyLife || claim.time > now + std::chrono::minutes(15))
    return api::fault(ErrorCode::kPermissionDenied, "AccessDenied", "Request has expired");
  const SigningKey key =
      signing_keys().get(secret_access_key, {.date = claim.date, .region = claim.region, .service = claim.service});
  return compare(to_hex(key->of(document)));
}

Status S3Post::check_policy(WallTime now) {
  const std::string* policy = state_->form.find("policy");
  if (!policy) return ok_status();
  std::string packed = *policy;
  std::erase_if(packed, [](char c) { return c == '\n' || c == '\r' || c == ' '; });
  const std::optional<Bytes> document = base64_decode(packed);
  if (!document)
    return api::fault(ErrorCode::kInvalidArgument, "InvalidPolicyDocument", "Invalid Policy: Invalid Base64 encoding.");
  COFFER_TRY(state_->limits, check_post_policy(as_text(*document), state_->form, state_->at.bucket, now));
  return ok_status();
}

Request S3Post::as_put() const {
  Request put;
  put.method = "PUT";
  put.target = "/" + percent_encode(state_->at.bucket) + "/" + percent_encode(state_->key, true);
  for (const auto& [name, value] : state_->form.fields) {
    const std::string_view header = header_of(name);
    if (!header.empty() && !put.headers.has(header)) put.headers.add(std::string(header), value);
  }
  return put;
}

Status S3Post::add_tags(api::Value& input) const {
  const std::string* document = state_->form.find("tagging");
  if (!document) return ok_status();
  const OperationModel* operation = find_operation(*state_->at.service, "PutObjectTagging");
  COFFER_ASSERT(operation);
  COFFER_TRY(const api::Value tagging, decode_xml(*member_of(*operation->input, "Tagging").shape, *document));
  std::string tags;
  for (const api::Value& tag : tagging.list("TagSet")) {
    tags.append(tags.empty() ? "" : "&").append(percent_encode(tag.text("Key"))).append("=");
    tags.append(percent_encode(tag.text("Value")));
  }
  input.set("Tagging", std::move(tags));
  return ok_status();
}

api::RequestBody& S3Post::file() const { return state_->file; }

Response S3Post::answer(Response stored, const Progress& at) const {
  const State& state = *state_;
  const std::string etag(stored.headers.get("etag"));
  const std::string location = state.url + "/" + percent_encode(state.key, true);
  const std::string* redirect = state.form.find("success_action_redirect");
  if (!redirect) redirect = state.form.find("redirect");
  if (redirect && (redirect->starts_with("http://") || redirect->starts_with("https://"))) {
    std::string to = *redirect;
    to.erase(std::remove_if(to.begin(), to.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20; }),
             to.end());
    to += to.find('?') == std::string::npos ? '?' : '&';
    to += "bucket=" + percent_encode(at.bucket) + "&key=" + percent_encode(state.key) + "&etag=" + percent_encode(etag);
    stored.status = 303;
    stored.headers.set("Location", std::move(to));
    return stored;
  }
  stored.headers.set("Location", location);
  const std::string* wanted = state.form.find("success_action_status");
  stored.status = wanted && *wanted == "200" ? 200 : wanted && *wanted == "201" ? 201 : 204;
  if (stored.status != 201) return stored;
  stored.headers.set("Content-Type", "application/xml");
  std::string& body = stored.body;
  body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse>";
  for (const auto& [name, text] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"Location", location}, {"Bucket", at.bucket}, {"Key", state.key}, {"ETag", etag}}) {
    body.append("<").append(name).append(">");
    append_xml_text(text, body);
    body.append("</").append(name).append(">");
  }
  body += "</PostResponse>";
  return stored;
}

}  // namespace coffer::wire
