// The keys that requests to S3 are signed with, found where the AWS tools find them.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/secret.h"
#include "engine/store/s3_connection.h"
#include "engine/store/s3_url.h"

namespace coffer::store {

struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
  std::string session_token;
  std::optional<WallTime> expires;
};

/// Tried in this order: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN); the profile of the shared
/// files; the container's endpoint (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI); the instance metadata service
/// (version 2, unless AWS_EC2_METADATA_DISABLED is true). What expires is asked for again before it does; while that
/// fails, what is still valid is used. Safe from many threads.
class CredentialChain {
 public:
  /// `connections` and `clock` are borrowed; `files` too.
  CredentialChain(HttpConnections& connections, Clock& clock, FileSystem& files, EnvironmentVariables environment,
                  std::map<std::string, std::string> profile);

  /// kUnauthenticated: nobody has any, and the message says where was looked.
  Result<std::shared_ptr<const Credentials>> get(const Context& context);
  /// The store called `used` expired or unknown: the next get() asks their source again.
  void refuse(const std::shared_ptr<const Credentials>& used);

 private:
  Result<std::shared_ptr<const Credentials>> find(const Context& context);
  [[nodiscard]] std::optional<Credentials> from_environment() const;
  [[nodiscard]] std::optional<Credentials> from_profile() const;
  Result<std::optional<Credentials>> from_container(const Context& context);
  Result<std::optional<Credentials>> from_instance(const Context& context);
  Result<Bytes> ask(const Context& context, HttpExchange exchange);
  [[nodiscard]] std::string variable(const std::string& name) const;

  HttpConnections& connections_;
  Clock& clock_;
  FileSystem& files_;
  const EnvironmentVariables environment_;
  const std::map<std::string, std::string> profile_;
  std::mutex mutex_;
  std::shared_ptr<const Credentials> current_;
  MonoTime next_try_{};  // after a refresh that failed
};

/// The JSON document of the container's endpoint and of the instance metadata service. kCorruption for nonsense.
Result<Credentials> parse_credentials_document(ByteView text);

}  // namespace coffer::store
