#include "edge/wire/error_names.h"

#include <algorithm>

#include "edge/wire/protocol_ids.h"
#include "edge/wire/s3_error_names.h"

namespace coffer::wire {
namespace {

struct Named {
  std::string_view name;
  int status = 400;
};

/// A service's names for failures that have none of their own. The codes that are not here: kUnauthenticated has a
/// reason (below), kDeadlineExceeded and kCancelled are `unavailable`, kCorruption and kNotProven `internal`.
struct Column {
  std::string_view service;
  std::string_view validation;
  Named invalid, denied, missing, exists, precondition, conflict, exhausted, throttled, unavailable, internal;
};

constexpr Column kColumns[] = {
    {"backup",
     "InvalidParameterValueException",
     {"InvalidParameterValueException"},
     {"AccessDeniedException", 403},
     {"ResourceNotFoundException"},
     {"AlreadyExistsException"},
     {"InvalidResourceStateException"},
     {"ConflictException"},
     {"LimitExceededException"},
     {"ThrottlingException"},
     {"ServiceUnavailableException", 500},
     {"InternalFailure", 500}},
    {"cloudtrail",
     "ValidationException",
     {"InvalidParameterException"},
     {"AccessDeniedException"},
     {"ResourceNotFoundException"},
     {"ChannelAlreadyExistsException"},
     {"OperationNotPermittedException"},
     {"ConflictException"},
     {"MaxConcurrentQueriesException"},
     {"ThrottlingException"},
     {"ServiceUnavailable", 503},
     {"InternalFailure", 500}},
    {"coffer",
     "ValidationException",
     {"ValidationException"},
     {"AccessDeniedException"},
     {"DatabaseNotFoundException", 404},
     {"DatabaseAlreadyExistsException", 409},
     {"InvalidDatabaseStateException", 409},
     {"InvalidDatabaseStateException", 409},
     {"LimitExceededException"},
     {"ThrottlingException"},
     {"DatabaseNotReachableException"},
     {"InternalFailure", 500}},
    {"events",
     "ValidationException",
     {"ValidationException"},
     {"AccessDeniedException"},
     {"ResourceNotFoundException"},
     {"ResourceAlreadyExistsException"},
     {"InvalidStateException"},
     {"ConcurrentModificationException"},
     {"LimitExceededException"},
     {"ThrottlingException"},
     {"ServiceUnavailable", 503},
     {"InternalException", 500}},
    {"iam",
     "ValidationError",
     {"ValidationError"},
     {"AccessDenied", 403},
     {"NoSuchEntity", 404},
     {"EntityAlreadyExists", 409},
     {"DeleteConflict", 409},
     {"ConcurrentModification", 409},
     {"LimitExceeded", 409},
     {"Throttling"},
     {"ServiceUnavailable", 503},
     {"ServiceFailure", 500}},
    {"kms",
     "ValidationException",
     {"ValidationException"},
     {"AccessDeniedException"},
     {"NotFoundException"},
     {"AlreadyExistsException"},
     {"KMSInvalidStateException"},
     {"ConflictException"},
     {"LimitExceededException"},
     {"ThrottlingException"},
     {"DependencyTimeoutException", 503},
     {"KMSInternalException", 500}},
    {"lambda",
     "ValidationException",
     {"InvalidParameterValueException"},
     {"AccessDeniedException", 403},
     {"ResourceNotFoundException", 404},
     {"ResourceConflictException", 409},
     {"ResourceConflictException", 409},
     {"ResourceConflictException", 409},
     {"CodeStorageExceededException"},
     {"TooManyRequestsException", 429},
     {"ServiceException", 500},
     {"ServiceException", 500}},
    {"logs",
     "InvalidParameterException",
     {"InvalidParameterException"},
     {"AccessDeniedException"},
     {"ResourceNotFoundException"},
     {"ResourceAlreadyExistsException"},
     {"InvalidOperationException"},
     {"OperationAbortedException"},
     {"LimitExceededException"},
     {"ThrottlingException"},
     {"ServiceUnavailableException", 500},
     {"InternalFailure", 500}},
    {"organizations",
     "InvalidInputException",
     {"InvalidInputException"},
     {"AccessDeniedException"},
     {"TargetNotFoundException"},
     {"ConstraintViolationException"},
     {"ConstraintViolationException"},
     {"ConcurrentModificationException"},
     {"ConstraintViolationException"},
     {"TooManyRequestsException"},
     {"ServiceException", 500},
     {"ServiceException", 500}},
    {"rds",
     "InvalidParameterValue",
     {"InvalidParameterValue"},
     {"AccessDenied", 403},
     {"DBSnapshotNotFound", 404},
     {"ExportTaskAlreadyExists"},
     {"InvalidExportSourceState"},
     {"InvalidDBSnapshotState"},
     {"SnapshotQuotaExceeded"},
     {"Throttling"},
     {"ServiceUnavailable", 503},
     {"InternalFailure", 500}},
    {"s3",
     "InvalidArgument",
     {"InvalidArgument"},
     {"AccessDenied", 403},
     {"NoSuchKey", 404},
     {"BucketAlreadyOwnedByYou", 409},
     {"PreconditionFailed", 412},
     {"ConditionalRequestConflict", 409},
     {"TooManyBuckets"},
     {"SlowDown", 503},
     {"ServiceUnavailable", 503},
     {"InternalError", 500}},
    {"scheduler",
     "ValidationException",
     {"ValidationException"},
     {"AccessDeniedException", 403},
     {"ResourceNotFoundException", 404},
     {"ConflictException", 409},
     {"ConflictException", 409},
     {"ConflictException", 409},
     {"ServiceQuotaExceededException", 402},
     {"ThrottlingException", 429},
     {"InternalServerException", 500},
     {"InternalServerException", 500}},
    {"sts",
     "ValidationError",
     {"ValidationError"},
     {"AccessDenied", 403},
     {"ValidationError"},
     {"ValidationError"},
     {"ValidationError"},
     {"ValidationError"},
     {"PackedPolicyTooLarge"},
     {"Throttling"},
     {"ServiceUnavailable", 503},
     {"InternalFailure", 500}},
};

/// Nobody knows for whom a request was: then S3 answers.
const Column& column_of(const ServiceModel* service) {
  const std::string_view id = service ? service->id : std::string_view("s3");
  const auto* found = std::find_if(std::begin(kColumns), std::end(kColumns),
                                   [&](const Column& column) { return column.service == id; });
  COFFER_ASSERT(found != std::end(kColumns));
  return *found;
}

/// Reasons of authentication and of the protocols, by the name that the code here gives them: one table for all
/// services.
struct Reason {
  std::string_view name;
  Named json, rest_json, query, s3;
};

constexpr Reason kUnknownKey = {"InvalidClientTokenId",
                                {"UnrecognizedClientException"},
                                {"UnrecognizedClientException", 403},
                                {"InvalidClientTokenId", 403},
                                {"InvalidAccessKeyId", 403}};
constexpr Reason kReasons[] = {
    kUnknownKey,
    {"InvalidAccessKeyId", kUnknownKey.json, kUnknownKey.rest_json, kUnknownKey.query, kUnknownKey.s3},
    {"InvalidToken", kUnknownKey.json, kUnknownKey.rest_json, kUnknownKey.query, {"InvalidToken"}},
    {"ExpiredToken",
     {"ExpiredTokenException"},
     {"ExpiredTokenException", 403},
     {"ExpiredToken", 403},
     {"ExpiredToken"}},
    {"SignatureDoesNotMatch",
     {"InvalidSignatureException"},
     {"InvalidSignatureException", 403},
     {"SignatureDoesNotMatch", 403},
     {"SignatureDoesNotMatch", 403}},
    {"XAmzContentSHA256Mismatch",
     {"InvalidSignatureException"},
     {"InvalidSignatureException", 403},
     {"SignatureDoesNotMatch", 403},
     {"XAmzContentSHA256Mismatch"}},
    {"RequestTimeTooSkewed",
     {"InvalidSignatureException"},
     {"InvalidSignatureException", 403},
     {"SignatureDoesNotMatch", 403},
     {"RequestTimeTooSkewed", 403}},
    {"RequestExpired",
     {"InvalidSignatureException"},
     {"InvalidSignatureException", 403},
     {"RequestExpired"},
     {"AccessDenied", 403}},
    {"AuthorizationHeaderMalformed",
     {"IncompleteSignatureException"},
     {"IncompleteSignatureException", 403},
     {"IncompleteSignature"},
     {"AuthorizationHeaderMalformed"}},
    {"AuthorizationQueryParametersError",
     {"IncompleteSignatureException"},
     {"IncompleteSignatureException", 403},
     {"IncompleteSignature"},
     {"AuthorizationQueryParametersError"}},
    {"IncompleteSignature",
     {"IncompleteSignatureException"},
     {"IncompleteSignatureException", 403},
     {"IncompleteSignature"},
     {"AuthorizationHeaderMalformed"}},
    {"InvalidRequest",
     {"IncompleteSignatureException"},
     {"IncompleteSignatureException", 403},
     {"IncompleteSignature"},
     {"InvalidRequest"}},
    {"NotImplemented",
     {"IncompleteSignatureException"},
     {"IncompleteSignatureException", 403},
     {"IncompleteSignature"},
     {"NotImplemented", 501}},
    {"InvalidURI",
     {"IncompleteSignatureException"},
     {"IncompleteSignatureException", 403},
     {"IncompleteSignature"},
     {"InvalidURI"}},
    {"MissingAuthenticationToken",
     {"MissingAuthenticationTokenException"},
     {"MissingAuthenticationTokenException", 403},
     {"MissingAuthenticationToken", 403},
     {"AccessDenied", 403}},
    {"AccessDenied",
     {"AccessDeniedException"},
     {"AccessDeniedException", 403},
     {"AccessDenied", 403},
     {"AccessDenied", 403}},
    {"AccessDeniedException",
     {"AccessDeniedException"},
     {"AccessDeniedException", 403},
     {"AccessDenied", 403},
     {"AccessDenied", 403}},
    {"SerializationException",
     {"SerializationException"},
     {"SerializationException"},
     {"MalformedInput"},
     {"InvalidArgument"}},
    {"MalformedInput", {"SerializationException"}, {"SerializationException"}, {"MalformedInput"}, {"InvalidArgument"}},
    {"MalformedQueryString",
     {"SerializationException"},
     {"SerializationException"},
     {"MalformedQueryString", 404},
     {"InvalidURI"}},
    {"MethodNotAllowed",
     {"UnknownOperationException"},
     {"UnknownOperationException", 404},
     {"InvalidAction"},
     {"MethodNotAllowed", 405}},
    {"UnknownOperationException",
     {"UnknownOperationException"},
     {"UnknownOperationException", 404},
     {"InvalidAction"},
     {"NotImplemented", 501}},
    {"InvalidAction",
     {"UnknownOperationException"},
     {"UnknownOperationException", 404},
     {"InvalidAction"},
     {"NotImplemented", 501}},
    {"MissingAction",
     {"UnknownOperationException"},
     {"UnknownOperationException", 404},
     {"MissingAction"},
     {"NotImplemented", 501}},
    {"RequestEntityTooLarge",
     {"RequestEntityTooLargeException", 413},
     {"RequestEntityTooLargeException", 413},
     {"RequestEntityTooLarge", 413},
     {"EntityTooLarge"}},
    {"ValidationException", {"ValidationException"}, {"ValidationException"}, {"ValidationError"}, {"InvalidArgument"}},
    {"ValidationError", {"ValidationException"}, {"ValidationException"}, {"ValidationError"}, {"InvalidArgument"}},
};

/// Failures of the model that have another status than 400 and do not say so there.
constexpr Named kStatuses[] = {
    {"DependencyTimeoutException", 503}, {"InternalException", 500},          {"KMSInternalException", 500},
    {"KeyUnavailableException", 500},    {"ServiceException", 500},           {"ServiceUnavailableException", 500},
    {"InternalServerException", 500},    {"DependencyFailureException", 500},
};

const Named& by_code(const Column& column, ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return column.invalid;
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnauthenticated: return column.denied;
    case ErrorCode::kNotFound: return column.missing;
    case ErrorCode::kAlreadyExists: return column.exists;
    case ErrorCode::kFailedPrecondition: return column.precondition;
    case ErrorCode::kConflict: return column.conflict;
    case ErrorCode::kResourceExhausted: return column.exhausted;
    case ErrorCode::kThrottled: return column.throttled;
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kCancelled: return column.unavailable;
    default: return column.internal;
  }
}

const Named* by_reason(const ServiceModel* service, std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kReasons), std::end(kReasons), [&](const Reason& reason) { return reason.name == name; });
  if (found == std::end(kReasons)) return nullptr;
  switch (service ? service->protocol : ProtocolKind::kRestXml) {
    case ProtocolKind::kJson: return &found->json;
    case ProtocolKind::kRestJson: return &found->rest_json;
    case ProtocolKind::kQuery: return &found->query;
    default: return &found->s3;
  }
}

bool is_named(const Shape& shape, std::string_view name) {
  if (shape.name == name || shape.error_code == name) return true;
  if (!shape.name.starts_with(name)) return false;
  const std::string_view rest = shape.name.substr(name.size());
  return rest == "Exception" || rest == "Fault";
}

/// JSON services say the shape's name, the others their model's code.
std::string_view code_of(const ServiceModel& service, const Shape& exception) {
  const bool json = service.protocol == ProtocolKind::kJson || service.protocol == ProtocolKind::kRestJson;
  return json || exception.error_code.empty() ? exception.name : exception.error_code;
}

int status_of(const Shape& exception) {
  if (exception.http_status != 0) return exception.http_status;
  for (const Named& known : kStatuses) {
    if (known.name == exception.name) return known.status;
  }
  return exception.is_fault ? 500 : 400;
}

/// Its failures are known by S3's own table first; the model has but a few of them.
WireError s3_error(const ServiceModel* service, const OperationModel* operation, const Error& error,
                   const Column& column, WireError shown) {
  shown.code = s3_code_of(error.name);
  shown.status = s3_status_of(shown.code);
  if (const Named* reason = shown.status == 0 ? by_reason(service, error.name) : nullptr) {
    shown.code = reason->name;
    shown.status = reason->status;
  }
  if (shown.status == 0) shown.status = by_code(column, error.code).status;
  shown.shape = service ? find_exception(*service, operation, shown.code) : nullptr;
  return shown;
}

}  // namespace

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

std::string_view validation_error_name(const ServiceModel& service) { return column_of(&service).validation; }

WireError wire_error(const ServiceModel* service, const OperationModel* operation, const Error& error) {
  const Column& column = column_of(service);
  WireError shown;
  const auto take = [&](const Named& named) {
    shown.code = named.name;
    shown.status = named.status;
  };
  if (&by_code(column, error.code) == &column.internal) {
    take(column.internal);
    if (service) shown.shape = find_exception(*service, operation, shown.code);
    // What broke is in the log; the caller has the request id to ask for it.
    shown.message = "An internal failure happened. The log has more under this request's id.";
    shown.hidden = true;
    return shown;
  }
  shown.message = error.message;
  if (error.name.empty()) {
    take(error.code == ErrorCode::kUnauthenticated ? *by_reason(service, kUnknownKey.name)
                                                   : by_code(column, error.code));
    if (service) shown.shape = find_exception(*service, operation, shown.code);
    return shown;
  }
  if (speaks_rest_xml(service)) return s3_error(service, operation, error, column, shown);
  shown.shape = service ? find_exception(*service, operation, error.name) : nullptr;
  const Named* reason = by_reason(service, error.name);
  const bool exact = shown.shape && (shown.shape->name == error.name || shown.shape->error_code == error.name);
  if (reason && !exact) {
    take(*reason);
    shown.shape = service ? find_exception(*service, operation, shown.code) : nullptr;
  } else if (shown.shape) {
    shown.code = code_of(*service, *shown.shape);
    shown.status = status_of(*shown.shape);
  } else {
    take({error.name, by_code(column, error.code).status});
  }
  return shown;
}

}  // namespace coffer::wire
