#include "edge/wire/server_answer.h"

#include <algorithm>

#include "edge/wire/sigv4_canonical.h"
#include "edge/wire/sigv4_time.h"

namespace coffer::wire {
namespace {

std::string_view reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

bool is_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

bool is_value(std::string_view value) {
  return std::none_of(value.begin(), value.end(),
                      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

/// Made once a second and thread.
std::string_view http_date(WallTime now) {
  thread_local int64_t of_second = -1;
  thread_local std::string text;
  const int64_t second = now.micros / 1'000'000;
  if (second == of_second) return text;
  of_second = second;
  text = format_http_date(now);
  return text;
}

}  // namespace

bool is_bodiless(int status) { return status == 204 || status == 304 || status < 200; }

bool is_sendable(const Response& response) {
  const auto& fields = response.headers.fields();
  return response.status >= 200 && response.status <= 599 &&
         std::all_of(fields.begin(), fields.end(),
                     [](const auto& field) { return is_name(field.first) && is_value(field.second); });
}

std::optional<std::string> answer_head(const Response& response, const AnswerHead& head) {
  using Kind = AnswerFraming::Kind;
  if (!is_sendable(response)) return std::nullopt;
  std::string out = "HTTP/1.1 ";
  out.reserve(512);
  out.append(std::to_string(response.status)).append(" ").append(reason_of(response.status)).append("\r\n");
  bool has_date = false, has_server = false;
  for (const auto& [name, value] : response.headers.fields()) {
    // A HEAD or 304 without body may tell the length that GET would have had.
    if (same_name(name, "content-length") && head.framing.kind != Kind::kNone) continue;
    if (same_name(name, "transfer-encoding") || same_name(name, "connection")) continue;
    has_date = has_date || same_name(name, "date");
    has_server = has_server || same_name(name, "server");
    append_field(out, name, value);
  }
  if (!has_date) append_field(out, "Date", http_date(head.now));
  if (!has_server) append_field(out, "Server", "Coffer");
  if (head.framing.kind == Kind::kLength) append_field(out, "Content-Length", std::to_string(head.framing.length));
  if (head.framing.kind == Kind::kChunked) append_field(out, "Transfer-Encoding", "chunked");
  if (!head.keep_alive)
    append_field(out, "Connection", "close");
  else if (head.is_http_1_0)
    append_field(out, "Connection", "keep-alive");
  out += "\r\n";
  return out;
}

Response refusal_response(const Refusal& refusal) {
  Response response;
  response.status = refusal.status;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  if (refusal.status == 503) response.headers.add("Retry-After", "1");
  response.body = refusal.text;
  return response;
}

std::string refusal_answer(const Refusal& refusal, const AnswerHead& head, bool is_head) {
  const Response response = refusal_response(refusal);
  AnswerHead with_length = head;
  with_length.framing = {AnswerFraming::Kind::kLength, response.body.size()};
  std::optional<std::string> out = answer_head(response, with_length);
  COFFER_ASSERT(out.has_value());
  return is_head ? *out : *out + response.body;
}

}  // namespace coffer::wire
