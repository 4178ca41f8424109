// A KMS key over the network: this installation's, a peer's, or AWS's own. What a vault's KMS slot uses in the tool.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/filesystem.h"
#include "edge/wire/http_client.h"
#include "services/kms/service.h"

namespace coffer::wire {

/// Where and as whom to call, as AWS's tools find it.
struct AwsSettings {
  std::string access_key_id, session_token, region, endpoint;
  Secret secret_access_key;
};
/// From AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN), or the profile AWS_PROFILE of
/// AWS_SHARED_CREDENTIALS_FILE; AWS_REGION or AWS_DEFAULT_REGION; AWS_ENDPOINT_URL_KMS or AWS_ENDPOINT_URL, else AWS's
/// own endpoint. `region` wins when given (from an ARN). kNotFound says which variable is missing.
Result<AwsSettings> aws_settings(FileSystem& files, const std::map<std::string, std::string>& environment,
                                 std::string_view region);

/// All borrowed things outlive it.
std::unique_ptr<kms::KeyClient> kms_client(HttpClient& http, Clock& clock, const Context& context,
                                           AwsSettings settings);

}  // namespace coffer::wire
