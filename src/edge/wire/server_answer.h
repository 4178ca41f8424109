// The head of an answer, as bytes.
#pragma once
#include <optional>
#include <string>

#include "base/clock.h"
#include "edge/wire/http.h"
#include "edge/wire/server_head.h"

namespace coffer::wire {

/// How the body of an answer reaches the client.
struct AnswerFraming {
  enum class Kind { kLength, kChunked, kUntilClose, kNone };
  Kind kind = Kind::kLength;
  uint64_t length = 0;
};

struct AnswerHead {
  AnswerFraming framing;
  bool keep_alive = true;
  bool is_http_1_0 = false;
  WallTime now;
};

/// Status line, the response's fields, Date, Server and framing. Framing fields that the response brings are dropped.
/// Nothing when a field cannot be sent as it is: it would end the line, or the header.
std::optional<std::string> answer_head(const Response& response, const AnswerHead& head);

/// Whether answer_head() takes this status and these fields.
bool is_sendable(const Response& response);

/// A whole answer with a line of text; the connection ends behind it unless `keep_alive`. To a HEAD only its head.
std::string refusal_answer(const Refusal& refusal, const AnswerHead& head, bool is_head = false);
/// The same as a Response.
Response refusal_response(const Refusal& refusal);

/// No body may follow these.
bool is_bodiless(int status);

}  // namespace coffer::wire
