#include "engine/store/fake_s3.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "base/base64.h"
#include "engine/crypto/checksum.h"
#include "engine/crypto/digest.h"
#include "engine/sigv4/sign.h"

namespace coffer::store {
namespace {

constexpr std::string_view kBucket = "bucket";
constexpr std::string_view kAccessKey = "AKIDFAKE";
constexpr std::string_view kSecretKey = "not/a+real=secret";

std::string between(std::string_view text, std::string_view from, std::string_view to) {
  const size_t begin = text.find(from);
  if (begin == text.npos) return {};
  text.remove_prefix(begin + from.size());
  return std::string(text.substr(0, text.find(to)));
}

std::string sha256_hex(std::string_view text) { return to_hex(crypto::sha256(as_bytes(text))); }

bool send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

}  // namespace

std::string FakeS3::Request::header(std::string_view name) const {
  for (const auto& [field, value] : headers)
    if (sigv4::same_name(field, name)) return value;
  return {};
}

FakeS3::FakeS3(Options options) : options_(std::move(options)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 128) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("cannot listen");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

FakeS3::~FakeS3() {
  closing_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    std::lock_guard lock(mutex_);
    for (int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
}

void FakeS3::set_faults(Decide decide) {
  std::lock_guard lock(mutex_);
  decide_ = std::move(decide);
}

std::string FakeS3::url(std::string_view prefix) const {
  return "s3://" + std::string(kBucket) + "/" + std::string(prefix) + "?endpoint=" + endpoint() +
         "&region=" + options_.region;
}

EnvironmentVariables FakeS3::environment() {
  return {{"AWS_ACCESS_KEY_ID", std::string(kAccessKey)},
          {"AWS_SECRET_ACCESS_KEY", std::string(kSecretKey)},
          {"AWS_EC2_METADATA_DISABLED", "true"}};
}

size_t FakeS3::objects() const {
  std::lock_guard lock(mutex_);
  return objects_.size();
}

std::optional<std::string> FakeS3::stored(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto found = objects_.find(name);
  return found == objects_.end() ? std::nullopt : std::optional(found->second.body);
}

void FakeS3::store(const std::string& name, std::string body) {
  std::lock_guard lock(mutex_);
  objects_[name] = Object{std::move(body), {}, {}};
}

void FakeS3::accept_all() {
  while (!closing_) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    ++accepted_;
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::lock_guard lock(mutex_);
    sockets_.insert(socket);
    threads_.emplace_back([this, socket] {
      serve(socket);
      std::lock_guard inner(mutex_);
      sockets_.erase(socket);
      ::close(socket);
    });
  }
}

/// Nothing: the connection ended, or `cut` said so.
std::optional<FakeS3::Request> FakeS3::read_request(int socket, std::string& buffer,
                                                    const std::function<bool(size_t)>& cut) {
  Request request;
  size_t head_end = std::string::npos, whole = std::string::npos;
  std::string piece(1 << 20, '\0');
  for (;;) {
    if (head_end == std::string::npos && (head_end = buffer.find("\r\n\r\n")) != std::string::npos) {
      std::string_view head(buffer.data(), head_end + 2);
      const std::string_view first = head.substr(0, head.find("\r\n"));
      request.method = first.substr(0, first.find(' '));
      request.target = between(first, " ", " ");
      for (head.remove_prefix(first.size() + 2); !head.empty(); head.remove_prefix(head.find("\r\n") + 2)) {
        const std::string_view line = head.substr(0, head.find("\r\n"));
        const size_t colon = line.find(':');
        request.headers.emplace_back(line.substr(0, colon), sigv4::trimmed(line.substr(colon + 1)));
      }
      whole = head_end + 4 + std::strtoull(request.header("content-length").c_str(), nullptr, 10);
    }
    if (cut(buffer.size())) return std::nullopt;
    if (whole != std::string::npos && buffer.size() >= whole) break;
    const ssize_t got = ::recv(socket, piece.data(), piece.size(), 0);
    if (got <= 0) return std::nullopt;
    buffer.append(piece, 0, static_cast<size_t>(got));
  }
  request.body = buffer.substr(head_end + 4, whole - head_end - 4);
  buffer.erase(0, whole);
  return request;
}

void FakeS3::serve(int socket) {
  std::string buffer;
  for (;;) {
    std::optional<FakeFault> fault;
    bool decided = false;
    const auto cut = [&](size_t size) {
      // Method and target are known with the first line, and so is what is to go wrong.
      const size_t line = buffer.find("\r\n");
      if (!decided && line != std::string::npos) {
        decided = true;
        Seen seen{++requests_, buffer.substr(0, buffer.find(' ')), between(buffer, " ", " ")};
        Decide decide;
        {
          std::lock_guard lock(mutex_);
          decide = decide_;
        }
        if (decide) fault = decide(seen);
      }
      return fault && fault->kind == FakeFault::Kind::kCutRequest && size >= fault->at;
    };
    auto request = read_request(socket, buffer, cut);
    if (!request) {
      const linger now{1, 0};
      if (fault) ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);  // a reset, not an end
      return;
    }
    const int at_once = ++at_once_;
    for (int most = most_at_once_; at_once > most && !most_at_once_.compare_exchange_weak(most, at_once);) {
    }
    using Kind = FakeFault::Kind;
    const auto is = [&](Kind kind) { return fault && fault->kind == kind; };
    const bool happens =
        !is(Kind::kStatus) && !is(Kind::kErrorIn200) && !is(Kind::kLost) && !is(Kind::kAnswer) && !is(Kind::kStall);
    Answer answer;
    if (happens) answer = handle(*request);
    if (is(Kind::kStatus) || is(Kind::kStatusAfter)) {
      answer = fault->text.empty() ? Answer{.status = fault->status, .headers = {}, .body = {}}
                                   : error(fault->status, fault->text);
    } else if (is(Kind::kErrorIn200)) {
      answer = error(200, fault->text);
    } else if (is(Kind::kTruncatedBody)) {
      answer.body.resize(answer.body.size() / 2);
    } else if (is(Kind::kFlippedBit)) {
      if (!answer.body.empty()) answer.body[answer.body.size() / 2] ^= 1;
    } else if (is(Kind::kWrongEtag)) {
      answer.headers += "ETag: \"00000000000000000000000000000000\"\r\n";
    } else if (is(Kind::kStaleList)) {
      const size_t last = answer.body.rfind("<Contents>");
      const size_t end = answer.body.rfind("</Contents>");
      if (last != std::string::npos) answer.body.erase(last, end + 11 - last);
      const size_t count = answer.body.find("<KeyCount>");
      if (count != std::string::npos) answer.body.erase(count, answer.body.find("</KeyCount>") + 11 - count);
    }
    if (fault) answer.headers += fault->headers;
    --at_once_;
    if (is(Kind::kStall)) {
      char byte = 0;
      static_cast<void>(::recv(socket, &byte, 1, 0));
      return;
    }
    const bool is_head = request->method == "HEAD";
    const uint64_t length = is_head && answer.status == 200 ? answer.head_length : answer.body.size();
    std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " X\r\nContent-Length: " + std::to_string(length) +
                       "\r\n" + answer.headers + "\r\n";
    if (!is_head) text += answer.body;
    if (is(Kind::kAnswer)) text = fault->text;
    if (is(Kind::kCutAnswer)) text.resize(std::min(text.size(), fault->at));
    if (!send_all(socket, text) || is(Kind::kCutAnswer) || is(Kind::kAnswer)) return;
  }
}

FakeS3::Answer FakeS3::error(int status, const std::string& code) {
  return {.status = status,
          .headers = "Content-Type: application/xml\r\n",
          .body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code +
                  "</Code><Message>because</Message><RequestId>1</RequestId></Error>"};
}

/// The code of what is wrong with it; empty when nothing is.
std::string FakeS3::check_signature(const Request& request) const {
  const std::string text = request.header("authorization");
  const std::string credential = between(text, "Credential=", ",");
  const std::string day = request.header("x-amz-date").substr(0, 8);
  if (credential != std::string(kAccessKey) + "/" + day + "/" + options_.region + "/s3/aws4_request")
    return credential.find("/" + options_.region + "/") == std::string::npos ? "AuthorizationHeaderMalformed"
                                                                             : "InvalidAccessKeyId";
  std::vector<std::string> names;
  std::string list = between(text, "SignedHeaders=", ",") + ";";
  for (size_t at = 0; at < list.size(); at = list.find(';', at) + 1)
    names.push_back(list.substr(at, list.find(';', at) - at));
  const std::string hash = request.header("x-amz-content-sha256");
  auto canonical = sigv4::canonical_text({.method = request.method,
                                          .target = request.target,
                                          .headers = request.headers,
                                          .signed_headers = names,
                                          .payload_hash = hash,
                                          .path = sigv4::PathRule::kPlain});
  const sigv4::Scope scope{request.header("x-amz-date"), day, options_.region, "s3"};
  if (!canonical || sigv4::signature(as_bytes(kSecretKey), scope, *canonical) != between(text, "Signature=", "\n"))
    return "SignatureDoesNotMatch";
  if (sha256_hex(request.body) != hash) return "XAmzContentSHA256Mismatch";
  return {};
}

FakeS3::Answer FakeS3::handle(const Request& request) {
  if (std::string wrong = check_signature(request); !wrong.empty()) {
    Answer answer = error(wrong == "AuthorizationHeaderMalformed" ? 400 : 403, wrong);
    if (wrong == "AuthorizationHeaderMalformed")
      answer.body.insert(answer.body.find("</Error>"), "<Region>" + options_.region + "</Region>");
    return answer;
  }
  const size_t mark = std::min(request.target.find('?'), request.target.size());
  const std::string path = sigv4::percent_decode(std::string_view(request.target).substr(0, mark)).value_or("");
  auto query =
      sigv4::parse_query(std::string_view(request.target).substr(std::min(mark + 1, request.target.size())), false);
  const std::string bucket = "/" + std::string(kBucket) + "/";
  if (!path.starts_with(bucket)) return error(404, "NoSuchBucket");
  std::lock_guard lock(mutex_);
  if (path == bucket) return list(query.value());
  return handle_object(request, path.substr(bucket.size()));
}

FakeS3::Answer FakeS3::handle_object(const Request& request, const std::string& name) {
  if (request.method == "PUT") return put(request, name);
  if (request.method == "DELETE") {
    objects_.erase(name);
    return {.status = 204, .headers = {}, .body = {}};
  }
  auto found = objects_.find(name);
  if (found == objects_.end()) {
    Answer missing = error(404, "NoSuchKey");
    return missing;
  }
  return read(request, found->second);
}

FakeS3::Answer FakeS3::put(const Request& request, const std::string& name) {
  Object object{.body = request.body, .checksum = {}, .metadata = {}};
  const std::string checksum = request.header("x-amz-checksum-sha256");
  if (options_.refuses_checksums && !checksum.empty()) return error(501, "NotImplemented");
  if (options_.wants_md5) {
    const std::string md5 = base64_encode(crypto::checksum_of(crypto::ChecksumKind::kMd5, as_bytes(request.body)));
    if (request.header("content-md5").empty()) return error(400, "MissingContentMD5");
    if (request.header("content-md5") != md5) return error(400, "BadDigest");
  }
  if (options_.checksums && !checksum.empty()) {
    if (checksum != base64_encode(crypto::sha256(as_bytes(request.body)))) return error(400, "BadDigest");
    object.checksum = checksum;
  }
  if (options_.conditional && request.header("if-none-match") == "*" && objects_.contains(name))
    return error(412, "PreconditionFailed");
  for (const auto& [field, value] : request.headers)
    if (options_.metadata && sigv4::lower_case(field).starts_with("x-amz-meta-"))
      object.metadata.emplace_back(field, value);
  objects_[name] = std::move(object);
  return {.status = 200, .headers = "ETag: \"0123456789abcdef0123456789abcdef\"\r\n", .body = {}};
}

FakeS3::Answer FakeS3::read(const Request& request, const Object& object) {
  Answer answer{.status = 200, .headers = {}, .body = object.body, .head_length = object.body.size()};
  for (const auto& [field, value] : object.metadata) answer.headers += field + ": " + value + "\r\n";
  if (!object.checksum.empty() && request.header("x-amz-checksum-mode") == "ENABLED")
    answer.headers += "x-amz-checksum-sha256: " + object.checksum + "\r\n";
  const std::string range = request.header("range");
  if (range.empty() || !options_.ranges) return answer;
  const uint64_t first = std::stoull(between(range, "bytes=", "-"));
  const uint64_t last = std::min<uint64_t>(std::stoull(range.substr(range.find('-') + 1)), object.body.size() - 1);
  if (first >= object.body.size()) return error(416, "InvalidRange");
  answer.status = 206;
  answer.body = object.body.substr(first, last - first + 1);
  answer.headers += "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                    std::to_string(object.body.size()) + "\r\n";
  return answer;
}

FakeS3::Answer FakeS3::list(const std::vector<std::pair<std::string, std::string>>& query) {
  std::string prefix, after;
  for (const auto& [name, value] : query) {
    if (name == "prefix") prefix = value;
    if (name == "continuation-token") after = value.substr(value.find(':') + 1);
  }
  std::string entries, last;
  size_t count = 0;
  bool truncated = false;
  for (auto it = objects_.lower_bound(prefix); it != objects_.end() && it->first.starts_with(prefix); ++it) {
    if (it->first <= after) continue;
    if (count == options_.page_size) {
      truncated = true;
      break;
    }
    ++count;
    last = it->first;
    entries += "<Contents><Key>" + sigv4::percent_encode(last, true) + "</Key><Size>" +
               std::to_string(it->second.body.size()) + "</Size></Contents>";
  }
  return {
      .status = 200,
      .headers = "Content-Type: application/xml\r\n",
      .body =
          "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>" +
          std::string(truncated ? "true" : "false") + "</IsTruncated><EncodingType>url</EncodingType><KeyCount>" +
          std::to_string(count) + "</KeyCount>" +
          (truncated ? "<NextContinuationToken>t:" + last + "</NextContinuationToken>" : std::string()) + entries +
          "</ListBucketResult>"};
}

}  // namespace coffer::store
