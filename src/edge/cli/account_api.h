// The AWS APIs of one account, as a person with its access key asks them: what `coffer doctor --data` looks through.
#pragma once
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "edge/wire/http_client.h"
#include "edge/wire/kms_client.h"
#include "engine/xml/tree.h"

namespace coffer::cli {

using Parameters = std::vector<std::pair<std::string, std::string>>;

/// Every call may fail with what the service answers: Error::name is its name, kNotFound and kPermissionDenied by its
/// status or name; or with kUnavailable, when nobody answers.
class AccountApi {
 public:
  virtual ~AccountApi() = default;
  /// `target`: as the header has it, "TrentService.ListKeys".
  virtual Result<nlohmann::json> call(std::string_view service, std::string_view target,
                                      const nlohmann::json& input) = 0;
  /// A GET of a service that speaks JSON; `path` with its query, encoded.
  virtual Result<nlohmann::json> get(std::string_view service, const std::string& path) = 0;
  /// A GET of S3.
  virtual Result<xml::Element> get_xml(const std::string& path) = 0;
  /// An action of IAM or STS; the element below its ...Result.
  virtual Result<xml::Element> query(std::string_view service, const std::string& action, const Parameters& input) = 0;
  /// What a presigned URL leads to.
  virtual Result<Bytes> download(const std::string& url) = 0;
};

/// All borrowed.
std::unique_ptr<AccountApi> open_account_api(wire::HttpClient& http, Clock& clock, const Context& context,
                                             wire::AwsSettings settings);

/// The profiles of a shared credentials file, in its order.
std::vector<std::string> profiles_of(std::string_view credentials_file);

}  // namespace coffer::cli
