#include "edge/wire/error_names.h"

#include <algorithm>

namespace coffer::wire {
namespace {

struct Named {
  std::string_view json, query;
  int json_status, query_status;
};

/// By code, for failures without a name (style guide, table of section 3).
Named by_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return {"ValidationException", "ValidationError", 400, 400};
    case ErrorCode::kUnauthenticated: return {"UnrecognizedClientException", "InvalidClientTokenId", 400, 403};
    case ErrorCode::kPermissionDenied: return {"AccessDeniedException", "AccessDenied", 400, 403};
    case ErrorCode::kNotFound: return {"NotFoundException", "NoSuchEntity", 400, 404};
    case ErrorCode::kAlreadyExists: return {"AlreadyExistsException", "EntityAlreadyExists", 400, 409};
    case ErrorCode::kFailedPrecondition: return {"InvalidStateException", "DeleteConflict", 400, 409};
    case ErrorCode::kConflict: return {"ConflictException", "ConcurrentModification", 400, 409};
    case ErrorCode::kResourceExhausted: return {"LimitExceededException", "LimitExceeded", 400, 409};
    case ErrorCode::kThrottled: return {"ThrottlingException", "Throttling", 400, 400};
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kCancelled: return {"ServiceUnavailable", "ServiceUnavailable", 503, 503};
    default: return {"InternalFailure", "InternalFailure", 500, 500};
  }
}

/// Reasons from authentication and the protocols, by the name that the code here gives them.
struct Translated {
  std::string_view name;
  Named wire;
};
constexpr Translated kReasons[] = {
    {"InvalidClientTokenId", {"UnrecognizedClientException", "InvalidClientTokenId", 400, 403}},
    {"InvalidAccessKeyId", {"UnrecognizedClientException", "InvalidClientTokenId", 400, 403}},
    {"InvalidToken", {"UnrecognizedClientException", "InvalidClientTokenId", 400, 403}},
    {"ExpiredToken", {"ExpiredTokenException", "ExpiredToken", 400, 403}},
    {"SignatureDoesNotMatch", {"InvalidSignatureException", "SignatureDoesNotMatch", 400, 403}},
    {"RequestTimeTooSkewed", {"InvalidSignatureException", "SignatureDoesNotMatch", 400, 403}},
    {"RequestExpired", {"InvalidSignatureException", "RequestExpired", 400, 400}},
    {"AuthorizationHeaderMalformed", {"IncompleteSignatureException", "IncompleteSignature", 400, 400}},
    {"AuthorizationQueryParametersError", {"IncompleteSignatureException", "IncompleteSignature", 400, 400}},
    {"IncompleteSignature", {"IncompleteSignatureException", "IncompleteSignature", 400, 400}},
    {"InvalidRequest", {"IncompleteSignatureException", "IncompleteSignature", 400, 400}},
    {"NotImplemented", {"IncompleteSignatureException", "IncompleteSignature", 400, 400}},
    {"MissingAuthenticationToken", {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 400, 403}},
    {"AccessDenied", {"AccessDeniedException", "AccessDenied", 400, 403}},
    {"AccessDeniedException", {"AccessDeniedException", "AccessDenied", 400, 403}},
    {"SerializationException", {"SerializationException", "MalformedInput", 400, 400}},
    {"MalformedInput", {"SerializationException", "MalformedInput", 400, 400}},
    {"MalformedQueryString", {"SerializationException", "MalformedQueryString", 400, 404}},
    {"UnknownOperationException", {"UnknownOperationException", "InvalidAction", 400, 400}},
    {"InvalidAction", {"UnknownOperationException", "InvalidAction", 400, 400}},
    {"MissingAction", {"UnknownOperationException", "MissingAction", 400, 400}},
    {"RequestEntityTooLarge", {"RequestEntityTooLargeException", "RequestEntityTooLarge", 413, 413}},
    {"ValidationException", {"ValidationException", "ValidationError", 400, 400}},
    {"ValidationError", {"ValidationException", "ValidationError", 400, 400}},
};

bool is_named(const Shape& shape, std::string_view name) {
  return shape.name == name || shape.error_code == name ||
         (shape.name.size() == name.size() + 9 && shape.name.starts_with(name) && shape.name.ends_with("Exception"));
}

/// The exception that the model has by this name: of the operation, else of any operation of the service.
const Shape* find_exception(const ServiceModel& service, const OperationModel* operation, std::string_view name) {
  const auto of = [&](const OperationModel& o) -> const Shape* {
    const auto found =
        std::find_if(o.errors.begin(), o.errors.end(), [&](const Shape* shape) { return is_named(*shape, name); });
    return found == o.errors.end() ? nullptr : *found;
  };
  if (operation) {
    if (const Shape* shape = of(*operation)) return shape;
  }
  for (const OperationModel& other : service.operations) {
    if (const Shape* shape = of(other)) return shape;
  }
  return nullptr;
}

}  // namespace

WireError wire_error(const ServiceModel* service, const OperationModel* operation, const Error& error) {
  const bool json = service && service->protocol == ProtocolKind::kJson;
  WireError shown;
  shown.message = error.message;
  const auto take = [&](const Named& named) {
    shown.code = json ? named.json : named.query;
    shown.status = json ? named.json_status : named.query_status;
  };
  if (error.code == ErrorCode::kInternal || error.code == ErrorCode::kCorruption) {
    take(by_code(ErrorCode::kInternal));
    if (service && service->id == "kms") shown.code = "KMSInternalException";
    // What broke is in the audit record; the caller learns the request id to ask for it.
    shown.message = "An internal failure happened. The audit log has more under this request's id.";
    shown.hidden = true;
    return shown;
  }
  if (!error.name.empty() && service) {
    if (const Shape* exception = find_exception(*service, operation, error.name)) {
      shown.code = exception->error_code.empty() || json ? exception->name : exception->error_code;
      shown.status = exception->http_status != 0 && !json ? exception->http_status : 400;
      if (exception->is_fault) shown.status = 500;
      return shown;
    }
  }
  for (const Translated& reason : kReasons) {
    if (reason.name == error.name) {
      take(reason.wire);
      return shown;
    }
  }
  take(by_code(error.code));
  if (!error.name.empty()) shown.code = error.name;
  return shown;
}

}  // namespace coffer::wire
