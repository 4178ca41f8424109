#include "edge/daemon/web_client.h"

namespace coffer::daemon {
namespace {

constexpr size_t kAnswerKept = 64 * 1024;

class HttpWeb final : public events::Web {
 public:
  explicit HttpWeb(std::unique_ptr<wire::HttpClient> client) : client_(std::move(client)) {}

  Result<Answer> send(const Context& context, const Request& request) override {
    wire::Request sent;
    sent.method = request.method;
    for (const auto& [name, value] : request.headers) sent.headers.add(name, value);
    sent.body = request.body;
    COFFER_TRY(wire::Response response, client_->send(context, request.url, sent));
    Answer answer;
    answer.status = response.status;
    answer.retry_after = response.headers.get("Retry-After");
    answer.body = std::move(response.body);
    if (answer.body.size() > kAnswerKept) answer.body.resize(kAnswerKept);
    return answer;
  }

 private:
  std::unique_ptr<wire::HttpClient> client_;
};

}  // namespace

std::unique_ptr<events::Web> make_web(std::unique_ptr<wire::HttpClient> client) {
  return std::make_unique<HttpWeb>(std::move(client));
}

}  // namespace coffer::daemon
