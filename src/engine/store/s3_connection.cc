#include "engine/store/s3_connection.h"

#include <curl/curl.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "base/tasks.h"

namespace coffer::store {
namespace {

constexpr long kConnectionsKept = 64;
constexpr long kBufferSize = 512 << 10;
constexpr int kPollMillis = 1000;
// A caller looks this often whether it was asked to stop; the multi interface wakes it when its exchange is done.
constexpr std::chrono::milliseconds kStopPoll{50};
// A transfer that moves less than this for so long is given up: the next attempt takes another connection.
constexpr long kLowSpeedBytes = 1024, kLowSpeedSeconds = 10;
constexpr size_t kHeadersSizeMax = 64 << 10, kFailureSizeMax = 256 << 10;

struct FreeEasy {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeMulti {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, FreeEasy>;
using Multi = std::unique_ptr<CURLM, FreeMulti>;
using List = std::unique_ptr<curl_slist, FreeList>;

void add_line(List& list, const std::string& line) {
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  COFFER_ASSERT(longer);
  static_cast<void>(list.release());
  list.reset(longer);
}

// One exchange under way. Made by its caller; the driver alone touches it between `submitted` and `done`.
struct Job {
  const HttpExchange* exchange = nullptr;
  Easy handle;
  List headers;
  HttpAnswer answer;
  size_t headers_size = 0;
  bool too_large = false;
  std::string trouble = std::string(CURL_ERROR_SIZE, '\0');

  CURLcode code = CURLE_OK;
  std::condition_variable finished;  // with the pool's mutex, which guards what follows too
  bool cancelled = false;
  bool done = false;
};

size_t take_body(char* data, size_t size, size_t count, void* user) {
  Job& job = *static_cast<Job*>(user);
  const size_t more = size * count;
  long status = 0;
  curl_easy_getinfo(job.handle.get(), CURLINFO_RESPONSE_CODE, &status);
  // What is said about a failure may be longer than the few bytes that were asked for.
  const bool success = status >= 200 && status < 300;
  const uint64_t limit = success ? job.exchange->answer_limit_bytes : kFailureSizeMax;
  if (job.answer.body.size() + more > limit) {
    job.too_large = true;
    return 0;
  }
  append(job.answer.body, as_bytes({data, more}));
  return more;
}

size_t take_header(char* data, size_t size, size_t count, void* user) {
  Job& job = *static_cast<Job*>(user);
  std::string_view line(data, size * count);
  job.headers_size += line.size();
  if (job.headers_size > kHeadersSizeMax) {
    job.too_large = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) job.answer.headers.clear();  // what a 100 Continue carried
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  const size_t colon = line.find(':');
  if (colon != std::string_view::npos) {
    job.answer.headers.emplace_back(sigv4::lower_case(line.substr(0, colon)), sigv4::trimmed(line.substr(colon + 1)));
    // A whole object arrives in one buffer of its size.
    if (job.answer.headers.back().first == "content-length") {
      const uint64_t announced = std::strtoull(job.answer.headers.back().second.c_str(), nullptr, 10);
      if (announced <= job.exchange->answer_limit_bytes && job.exchange->method != "HEAD")
        job.answer.body.reserve(announced);
    }
  }
  return size * count;
}

class Pool final : public HttpConnections {
 public:
  explicit Pool(std::string ca_bundle_file) : ca_bundle_file_(std::move(ca_bundle_file)), driver_(Context()) {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    COFFER_ASSERT(ready == CURLE_OK);
    multi_.reset(curl_multi_init());
    COFFER_ASSERT(multi_);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, kConnectionsKept);
    driver_.spawn([this] { return drive(); });
  }

  ~Pool() override {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    curl_multi_wakeup(multi_.get());
    static_cast<void>(driver_.wait().ok());
  }

  Result<HttpAnswer> exchange(const Context& context, const HttpExchange& exchange) override {
    COFFER_CHECK_OK(context.check());
    Job job;
    prepare(job, exchange);
    {
      std::unique_lock lock(mutex_);
      incoming_.push_back(&job);
      curl_multi_wakeup(multi_.get());
      while (!job.done) {
        job.finished.wait_for(lock, kStopPoll);
        if (!job.done && !job.cancelled && context.stopped()) {
          job.cancelled = true;
          has_cancelled_ = true;
          curl_multi_wakeup(multi_.get());
        }
      }
    }
    return settle(context, job);
  }

 private:
  void prepare(Job& job, const HttpExchange& exchange) {
    job.exchange = &exchange;
    job.handle.reset(curl_easy_init());
    COFFER_ASSERT(job.handle);
    for (const auto& [name, value] : exchange.headers)
      add_line(job.headers, value.empty() ? name + ";" : name + ": " + value);
    add_line(job.headers, "Expect:");
    if (exchange.method == "PUT" || exchange.method == "POST") add_line(job.headers, "Transfer-Encoding:");
    CURL* c = job.handle.get();
    curl_easy_setopt(c, CURLOPT_PRIVATE, &job);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, job.trouble.data());
    curl_easy_setopt(c, CURLOPT_URL, exchange.url.c_str());
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, job.headers.get());
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, kBufferSize);
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, kBufferSize);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, static_cast<long>(exchange.deadline.count()));
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(exchange.connect_deadline.count()));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, kLowSpeedBytes);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, kLowSpeedSeconds);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &job);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, &job);
    if (!ca_bundle_file_.empty()) curl_easy_setopt(c, CURLOPT_CAINFO, ca_bundle_file_.c_str());
    if (exchange.no_proxy) curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    if (exchange.fresh_connection) {
      curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
      curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    }
    if (exchange.method == "HEAD") {
      curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else {
      if (exchange.method != "GET") curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, exchange.method.c_str());
      if (exchange.method == "PUT" || exchange.method == "POST") {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(exchange.body.size()));
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, exchange.body.empty() ? "" : as_text(exchange.body).data());
      }
    }
  }

  Status drive() {
    for (;;) {
      if (!take_orders()) return ok_status();
      int running = 0, events = 0;
      curl_multi_perform(multi_.get(), &running);
      int left = 0;
      while (CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg == CURLMSG_DONE) finish(message->easy_handle, message->data.result);
      }
      curl_multi_poll(multi_.get(), nullptr, 0, kPollMillis, &events);
    }
  }

  /// False when the pool closes, which happens only after the last caller left.
  bool take_orders() {
    std::lock_guard lock(mutex_);
    for (Job* job : incoming_) {
      if (curl_multi_add_handle(multi_.get(), job->handle.get()) == CURLM_OK)
        running_.push_back(job);
      else
        end(*job, CURLE_FAILED_INIT);
    }
    incoming_.clear();
    if (has_cancelled_) {
      has_cancelled_ = false;
      std::erase_if(running_, [&](Job* job) {
        if (!job->cancelled) return false;
        curl_multi_remove_handle(multi_.get(), job->handle.get());
        end(*job, CURLE_ABORTED_BY_CALLBACK);
        return true;
      });
    }
    return !closing_;
  }

  void finish(CURL* handle, CURLcode code) {
    char* pointer = nullptr;
    curl_easy_getinfo(handle, CURLINFO_PRIVATE, &pointer);
    Job* job = reinterpret_cast<Job*>(pointer);
    curl_multi_remove_handle(multi_.get(), handle);
    std::lock_guard lock(mutex_);
    std::erase(running_, job);
    end(*job, code);
  }

  /// Under the mutex: the job is its caller's again, and may be gone as soon as that is given back.
  static void end(Job& job, CURLcode code) {
    job.code = code;
    job.done = true;
    job.finished.notify_all();
  }

  static Result<HttpAnswer> settle(const Context& context, Job& job) {
    if (job.cancelled) COFFER_CHECK_OK(context.check());
    const std::string& url = job.exchange->url;
    const std::string place = url.substr(0, url.find_first_of("/?", url.find("://") + 3));
    if (job.too_large)
      return Error{ErrorCode::kCorruption, place + " answered with more bytes than were asked for", {}};
    if (job.code == CURLE_OPERATION_TIMEDOUT)
      return Error{ErrorCode::kDeadlineExceeded, place + " does not answer in time",
                   "is the endpoint right, and the network up?"};
    if (job.code != CURLE_OK) {
      std::string why = job.trouble.c_str();
      if (why.empty()) why = curl_easy_strerror(job.code);
      return Error{ErrorCode::kUnavailable, place + ": " + why, "is the endpoint right, and the network up?"};
    }
    long status = 0;
    curl_easy_getinfo(job.handle.get(), CURLINFO_RESPONSE_CODE, &status);
    job.answer.status = static_cast<int>(status);
    return std::move(job.answer);
  }

  const std::string ca_bundle_file_;
  Multi multi_;
  std::mutex mutex_;
  std::deque<Job*> incoming_;
  std::vector<Job*> running_;
  bool has_cancelled_ = false, closing_ = false;
  TaskGroup driver_;  // last: it uses all of the above
};

}  // namespace

std::string_view HttpAnswer::header(std::string_view name) const {
  for (const auto& [field, value] : headers)
    if (field == name) return value;
  return {};
}

std::unique_ptr<HttpConnections> open_connections(std::string ca_bundle_file) {
  return std::make_unique<Pool>(std::move(ca_bundle_file));
}

}  // namespace coffer::store
