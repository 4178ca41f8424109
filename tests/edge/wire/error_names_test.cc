#include "edge/wire/error_names.h"

#include <gtest/gtest.h>

#include <set>

#include "edge/wire/protocol.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

using api::fault;

WireError shown(std::string_view service, const Error& error, std::string_view operation = "") {
  const ServiceModel* model = find_service(service);
  return wire_error(model, model && !operation.empty() ? find_operation(*model, operation) : nullptr, error);
}

std::string code_and_status(std::string_view service, const Error& error) {
  const WireError e = shown(service, error);
  return e.code + " " + std::to_string(e.status);
}

constexpr ErrorCode kCodes[] = {
    ErrorCode::kInvalidArgument, ErrorCode::kUnauthenticated,   ErrorCode::kPermissionDenied,
    ErrorCode::kNotFound,        ErrorCode::kAlreadyExists,     ErrorCode::kFailedPrecondition,
    ErrorCode::kConflict,        ErrorCode::kResourceExhausted, ErrorCode::kThrottled,
    ErrorCode::kUnavailable,     ErrorCode::kDeadlineExceeded,  ErrorCode::kCancelled,
    ErrorCode::kCorruption,      ErrorCode::kNotProven,         ErrorCode::kInternal};

TEST(ErrorNames, AFailureWithoutNameHasTheServicesDefault) {
  struct Row {
    ErrorCode code;
    const char *backup, *rds, *kms, *s3, *iam;
  };
  const Row rows[] = {{ErrorCode::kInvalidArgument, "InvalidParameterValueException 400", "InvalidParameterValue 400",
                       "ValidationException 400", "InvalidArgument 400", "ValidationError 400"},
                      {ErrorCode::kPermissionDenied, "AccessDeniedException 403", "AccessDenied 403",
                       "AccessDeniedException 400", "AccessDenied 403", "AccessDenied 403"},
                      {ErrorCode::kNotFound, "ResourceNotFoundException 400", "DBSnapshotNotFound 404",
                       "NotFoundException 400", "NoSuchKey 404", "NoSuchEntity 404"},
                      {ErrorCode::kAlreadyExists, "AlreadyExistsException 400", "ExportTaskAlreadyExists 400",
                       "AlreadyExistsException 400", "BucketAlreadyOwnedByYou 409", "EntityAlreadyExists 409"},
                      {ErrorCode::kConflict, "ConflictException 400", "InvalidDBSnapshotState 400",
                       "ConflictException 400", "ConditionalRequestConflict 409", "ConcurrentModification 409"},
                      {ErrorCode::kThrottled, "ThrottlingException 400", "Throttling 400", "ThrottlingException 400",
                       "SlowDown 503", "Throttling 400"},
                      {ErrorCode::kUnavailable, "ServiceUnavailableException 500", "ServiceUnavailable 503",
                       "DependencyTimeoutException 503", "ServiceUnavailable 503", "ServiceUnavailable 503"},
                      {ErrorCode::kInternal, "InternalFailure 500", "InternalFailure 500", "KMSInternalException 500",
                       "InternalError 500", "ServiceFailure 500"}};
  for (const Row& row : rows) {
    const Error error{row.code, "m", {}};
    EXPECT_EQ(code_and_status("backup", error), row.backup);
    EXPECT_EQ(code_and_status("rds", error), row.rds);
    EXPECT_EQ(code_and_status("kms", error), row.kms);
    EXPECT_EQ(code_and_status("s3", error), row.s3);
    EXPECT_EQ(code_and_status("iam", error), row.iam);
  }
}

// A client that catches a failure by its name needs one that it can know.
TEST(ErrorNames, EveryDefaultIsInTheModelOrCommonToAllOfAws) {
  const std::set<std::string_view> common = {
      "AccessDenied",         "AccessDeniedException", "InternalFailure",
      "InvalidClientTokenId", "InvalidParameterValue", "ServiceUnavailable",
      "Throttling",           "ThrottlingException",   "UnrecognizedClientException",
      "ValidationError",      "ValidationException"};
  for (const ServiceModel& service : service_models()) {
    if (service.id == "s3") continue;  // its model names few of its failures
    for (ErrorCode code : kCodes) {
      const WireError e = wire_error(&service, nullptr, Error{code, "m", {}});
      EXPECT_TRUE(common.contains(e.code) || find_exception(service, nullptr, e.code)) << service.id << " " << e.code;
    }
    EXPECT_TRUE(common.contains(validation_error_name(service)) ||
                find_exception(service, nullptr, validation_error_name(service)))
        << service.id;
  }
}

TEST(ErrorNames, TheModelsNameWinsWithItsStatus) {
  EXPECT_EQ(code_and_status("iam", fault(ErrorCode::kConflict, "DeleteConflict", "m")), "DeleteConflict 409");
  EXPECT_EQ(code_and_status("iam", fault(ErrorCode::kInvalidArgument, "MalformedPolicyDocument", "m")),
            "MalformedPolicyDocument 400");
  EXPECT_EQ(code_and_status("iam", fault(ErrorCode::kNotFound, "NoSuchEntityException", "m")), "NoSuchEntity 404");
  EXPECT_EQ(code_and_status("kms", fault(ErrorCode::kNotFound, "NotFoundException", "m")), "NotFoundException 400");
  EXPECT_EQ(code_and_status("kms", fault(ErrorCode::kUnavailable, "KeyUnavailableException", "m")),
            "KeyUnavailableException 500");
  EXPECT_EQ(code_and_status("kms", fault(ErrorCode::kFailedPrecondition, "DryRunOperationException", "m")),
            "DryRunOperationException 400");
  EXPECT_EQ(code_and_status("rds", fault(ErrorCode::kNotFound, "DBInstanceNotFound", "m")), "DBInstanceNotFound 404");
  EXPECT_EQ(code_and_status("rds", fault(ErrorCode::kNotFound, "DBInstanceNotFoundFault", "m")),
            "DBInstanceNotFound 404");
  EXPECT_EQ(code_and_status("sts", fault(ErrorCode::kInvalidArgument, "ExpiredTokenException", "m")),
            "ExpiredTokenException 400");
  EXPECT_EQ(code_and_status("lambda", fault(ErrorCode::kThrottled, "TooManyRequestsException", "m")),
            "TooManyRequestsException 429");
  EXPECT_EQ(code_and_status("organizations", fault(ErrorCode::kConflict, "AWSOrganizationsNotInUseException", "m")),
            "AWSOrganizationsNotInUseException 400");
  // A name that no model has is better than none.
  EXPECT_EQ(code_and_status("iam", fault(ErrorCode::kNotFound, "Unheard", "m")), "Unheard 404");
}

TEST(ErrorNames, ReasonsOfAuthenticationAreTranslated) {
  struct Row {
    const char *reason, *json, *rest_json, *query, *s3;
  };
  const Row rows[] = {
      {"InvalidClientTokenId", "UnrecognizedClientException 400", "UnrecognizedClientException 403",
       "InvalidClientTokenId 403", "InvalidAccessKeyId 403"},
      {"ExpiredToken", "ExpiredTokenException 400", "ExpiredTokenException 403", "ExpiredToken 403",
       "ExpiredToken 400"},
      {"SignatureDoesNotMatch", "InvalidSignatureException 400", "InvalidSignatureException 403",
       "SignatureDoesNotMatch 403", "SignatureDoesNotMatch 403"},
      {"RequestTimeTooSkewed", "InvalidSignatureException 400", "InvalidSignatureException 403",
       "SignatureDoesNotMatch 403", "RequestTimeTooSkewed 403"},
      {"AuthorizationHeaderMalformed", "IncompleteSignatureException 400", "IncompleteSignatureException 403",
       "IncompleteSignature 400", "AuthorizationHeaderMalformed 400"},
      {"MissingAuthenticationToken", "MissingAuthenticationTokenException 400",
       "MissingAuthenticationTokenException 403", "MissingAuthenticationToken 403", "AccessDenied 403"},
      {"InvalidRequest", "IncompleteSignatureException 400", "IncompleteSignatureException 403",
       "IncompleteSignature 400", "InvalidRequest 400"},
      {"AccessDenied", "AccessDeniedException 400", "AccessDeniedException 403", "AccessDenied 403",
       "AccessDenied 403"}};
  for (const Row& row : rows) {
    const Error error = fault(ErrorCode::kUnauthenticated, row.reason, "m");
    EXPECT_EQ(code_and_status("kms", error), row.json);
    EXPECT_EQ(code_and_status("backup", error), row.rest_json);
    EXPECT_EQ(code_and_status("iam", error), row.query);
    EXPECT_EQ(code_and_status("sts", error), row.query);
    EXPECT_EQ(code_and_status("s3", error), row.s3);
    EXPECT_EQ(code_and_status("nobody's", error), row.s3);
  }
  EXPECT_EQ(code_and_status("kms", fault(ErrorCode::kUnauthenticated, "", "m")), "UnrecognizedClientException 400");
}

TEST(ErrorNames, ReasonsOfTheProtocolsAreTranslated) {
  const Error operation = fault(ErrorCode::kInvalidArgument, "UnknownOperationException", "m");
  EXPECT_EQ(code_and_status("kms", operation), "UnknownOperationException 400");
  EXPECT_EQ(code_and_status("backup", operation), "UnknownOperationException 404");
  EXPECT_EQ(code_and_status("iam", operation), "InvalidAction 400");
  EXPECT_EQ(code_and_status("iam", fault(ErrorCode::kInvalidArgument, "MalformedQueryString", "m")),
            "MalformedQueryString 404");
  EXPECT_EQ(code_and_status("s3", fault(ErrorCode::kInvalidArgument, "MethodNotAllowed", "m")), "MethodNotAllowed 405");
  EXPECT_EQ(code_and_status("s3", fault(ErrorCode::kInvalidArgument, "MalformedXML", "m")), "MalformedXML 400");
}

TEST(ErrorNames, OurOwnFailuresNeverTellWhatHappened) {
  for (ErrorCode code : {ErrorCode::kInternal, ErrorCode::kCorruption, ErrorCode::kNotProven}) {
    for (const ServiceModel& service : service_models()) {
      const Error error{code, "SELECT secret FROM planted-marker", "planted-marker", "planted-marker"};
      const WireError e = wire_error(&service, nullptr, error);
      EXPECT_TRUE(e.hidden);
      EXPECT_EQ(e.status, 500) << service.id;
      const Response response = encode_error(&service, nullptr, error, "id");
      EXPECT_EQ(response.body.find("planted-marker"), std::string::npos) << response.body;
    }
  }
  EXPECT_EQ(encode_error(nullptr, nullptr, Error{ErrorCode::kInternal, "planted", {}}, "id").body.find("planted"),
            std::string::npos);
}

}  // namespace
}  // namespace coffer::wire
