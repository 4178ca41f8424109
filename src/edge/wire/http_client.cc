#include "edge/wire/http_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <sys/socket.h>

#include <array>
#include <optional>

namespace coffer::wire {
namespace {

constexpr size_t kAnswerSizeMax = 1 << 20;

struct Answer {
  Response response;
  bool too_large = false;
};

size_t take_body(char* data, size_t size, size_t count, void* into) {
  auto& answer = *static_cast<Answer*>(into);
  if (answer.response.body.size() + size * count > kAnswerSizeMax) {
    answer.too_large = true;
    return 0;
  }
  answer.response.body.append(data, size * count);
  return size * count;
}

size_t take_header(char* data, size_t size, size_t count, void* into) {
  auto& answer = *static_cast<Answer*>(into);
  std::string_view line(data, size * count);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size * count;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  answer.response.headers.add(std::string(line.substr(0, colon)), std::string(value));
  return size * count;
}

/// What a streamed request body gives, and why it stopped giving.
struct Upload {
  const Context& context;
  BodySource& source;
  std::optional<Error> failed;
};

size_t give_body(char* data, size_t size, size_t count, void* from) {
  auto& upload = *static_cast<Upload*>(from);
  Result<size_t> read =
      upload.source.read(upload.context, MutableByteView(reinterpret_cast<std::byte*>(data), size * count));
  if (read.ok()) return *read;
  upload.failed = std::move(read).error();
  return CURL_READFUNC_ABORT;
}

int look_for_stop(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const Context*>(context)->stopped() ? 1 : 0;
}

/// The last word before a connection: `address` is what the name was resolved to.
struct Gatekeeper {
  const AddressGuard& guard;
  std::string refused;  // an address, when one was
};

curl_socket_t open_socket(void* keeper, curlsocktype, curl_sockaddr* address) {
  auto& gate = *static_cast<Gatekeeper*>(keeper);
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* raw = nullptr;
  if (address->family == AF_INET) raw = &reinterpret_cast<const sockaddr_in*>(&address->addr)->sin_addr;
  if (address->family == AF_INET6) raw = &reinterpret_cast<const sockaddr_in6*>(&address->addr)->sin6_addr;
  if (!raw || !::inet_ntop(address->family, raw, text.data(), text.size()) || !gate.guard.allows(text.data())) {
    gate.refused = text.data();
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

struct Free {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

class CurlClient final : public HttpClient {
 public:
  CurlClient(std::string ca_bundle_file, std::chrono::seconds timeout, std::optional<AddressGuard> guard)
      : ca_bundle_file_(std::move(ca_bundle_file)), timeout_(timeout), guard_(std::move(guard)) {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    COFFER_ASSERT(ready == CURLE_OK);
  }

  Result<Response> send(const Context& context, const std::string& endpoint, const Request& request) override {
    std::unique_ptr<CURL, Free> handle(curl_easy_init());
    COFFER_ASSERT(handle);
    std::unique_ptr<curl_slist, Free> headers;
    for (const auto& [name, value] : request.headers.fields()) append(headers, name + ": " + value);
    append(headers, "Expect:");
    Answer answer;
    const std::string url = endpoint + request.target;
    CURL* c = handle.get();
    curl_easy_setopt(c, CURLOPT_URL, url.c_str());
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    std::optional<Upload> upload;
    if (request.stream) {
      upload.emplace(Upload{context, *request.stream, std::nullopt});
      curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(c, CURLOPT_READFUNCTION, give_body);
      curl_easy_setopt(c, CURLOPT_READDATA, &*upload);
      curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, 512 * 1024L);
      if (request.content_length)
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(*request.content_length));
      // A large body may take long, as long as it flows.
      curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, static_cast<long>(timeout_.count()));
      curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1024L);
      curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, static_cast<long>(timeout_.count()));
    } else {
      curl_easy_setopt(c, CURLOPT_POSTFIELDS, request.body.data());
      curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(c, CURLOPT_TIMEOUT, static_cast<long>(timeout_.count()));
    }
    if (request.method == "HEAD") curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, &answer);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look_for_stop);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, const_cast<Context*>(&context));
    if (!ca_bundle_file_.empty()) curl_easy_setopt(c, CURLOPT_CAINFO, ca_bundle_file_.c_str());
    std::optional<Gatekeeper> gate;
    if (guard_) {
      gate.emplace(Gatekeeper{*guard_, {}});
      curl_easy_setopt(c, CURLOPT_PROXY, "");  // a proxy would resolve the name itself
      curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
      curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, &*gate);
    }
    const CURLcode done = curl_easy_perform(c);
    COFFER_CHECK_OK(context.check());
    if (upload && upload->failed) return std::move(*upload->failed);
    if (answer.too_large) return Error{ErrorCode::kUnavailable, endpoint + " answers with more than 1 MiB", {}};
    if (done != CURLE_OK && gate && !gate->refused.empty())
      return Error{ErrorCode::kPermissionDenied, "the address " + gate->refused + " is private and not allowed", {}};
    if (done == CURLE_OPERATION_TIMEDOUT)
      return Error{ErrorCode::kDeadlineExceeded, endpoint + " does not answer", "is this the right endpoint?"};
    if (done != CURLE_OK)
      return Error{ErrorCode::kUnavailable, endpoint + ": " + curl_easy_strerror(done),
                   "is this the right endpoint, and does it run?"};
    long status = 0;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    answer.response.status = static_cast<int>(status);
    return std::move(answer.response);
  }

 private:
  static void append(std::unique_ptr<curl_slist, Free>& list, const std::string& line) {
    curl_slist* longer = curl_slist_append(list.get(), line.c_str());
    COFFER_ASSERT(longer);
    static_cast<void>(list.release());
    list.reset(longer);
  }
  std::string ca_bundle_file_;
  std::chrono::seconds timeout_;
  std::optional<AddressGuard> guard_;
};

}  // namespace

std::unique_ptr<HttpClient> curl_client(std::string ca_bundle_file, std::chrono::seconds timeout) {
  return std::make_unique<CurlClient>(std::move(ca_bundle_file), timeout, std::nullopt);
}

std::unique_ptr<HttpClient> guarded_client(AddressGuard guard, std::string ca_bundle_file,
                                           std::chrono::seconds timeout) {
  return std::make_unique<CurlClient>(std::move(ca_bundle_file), timeout, std::move(guard));
}

}  // namespace coffer::wire
