#include "edge/functions/http_reader.h"

#include <algorithm>
#include <charconv>

namespace coffer::functions {
namespace {

constexpr size_t kHeadSizeMax = 32 << 10, kHeadersMax = 100, kLineSizeMax = 4096;
constexpr uint64_t kBodySizeMax = uint64_t{1} << 30;  // that is read, not kept

Error malformed(std::string_view what) {
  return Error{ErrorCode::kInvalidArgument, "malformed request: " + std::string(what), {}};
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<uint64_t> number(std::string_view text, int base) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 413: return "Payload Too Large";
    default: return "Internal Server Error";
  }
}

}  // namespace

std::string_view HttpRequest::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_name) return value;
  }
  return {};
}

Status HttpReader::feed(std::string_view bytes) {
  if (begin_ > 0 && begin_ == buffer_.size()) {
    buffer_.clear();
    begin_ = 0;
  }
  buffer_ += bytes;
  return parse();
}

std::optional<HttpRequest> HttpReader::take() {
  if (at_ != At::kComplete) return std::nullopt;
  HttpRequest request = std::exchange(request_, {});
  at_ = At::kHead;
  continue_ = false;
  buffer_.erase(0, begin_);
  begin_ = 0;
  return request;
}

bool HttpReader::wants_continue() { return std::exchange(continue_, false); }

std::optional<std::string> HttpReader::line() {
  const size_t end = buffer_.find("\r\n", begin_);
  if (end == std::string::npos) return std::nullopt;
  std::string text = buffer_.substr(begin_, end - begin_);
  begin_ = end + 2;
  return text;
}

void HttpReader::keep(std::string_view bytes) {
  request_.body_size += bytes.size();
  if (request_.body_size <= body_size_max_) {
    request_.body += bytes;
  } else {
    std::string().swap(request_.body);
  }
}

Status HttpReader::parse() {
  for (;;) {
    const std::string_view rest = std::string_view(buffer_).substr(begin_);
    switch (at_) {
      case At::kHead: {
        const size_t end = rest.find("\r\n\r\n");
        if (end > kHeadSizeMax && (end != std::string_view::npos || rest.size() > kHeadSizeMax))
          return malformed("the header is too long");
        if (end == std::string_view::npos) return ok_status();
        begin_ += end + 4;
        COFFER_CHECK_OK(parse_head(rest.substr(0, end)));
        break;
      }
      case At::kBody:
      case At::kChunk: {
        const size_t here = static_cast<size_t>(std::min<uint64_t>(left_, rest.size()));
        keep(rest.substr(0, here));
        begin_ += here;
        left_ -= here;
        if (begin_ > (1 << 20)) {
          buffer_.erase(0, begin_);
          begin_ = 0;
        }
        if (left_ > 0) return ok_status();
        at_ = at_ == At::kBody ? At::kComplete : At::kChunkEnd;
        break;
      }
      case At::kChunkSize: {
        auto text = line();
        if (!text) return rest.size() > kLineSizeMax ? Status(malformed("a chunk's size")) : ok_status();
        const auto size = number(trimmed(std::string_view(*text).substr(0, text->find(';'))), 16);
        if (!size || *size > kBodySizeMax || request_.body_size + *size > kBodySizeMax)
          return malformed("a chunk's size");
        left_ = *size;
        at_ = left_ == 0 ? At::kTrailers : At::kChunk;
        break;
      }
      case At::kChunkEnd: {
        if (rest.size() < 2) return ok_status();
        if (!rest.starts_with("\r\n")) return malformed("a chunk's end");
        begin_ += 2;
        at_ = At::kChunkSize;
        break;
      }
      case At::kTrailers: {
        auto text = line();
        if (!text) return rest.size() > kLineSizeMax ? Status(malformed("a trailer")) : ok_status();
        if (text->empty()) {
          at_ = At::kComplete;
        } else {
          COFFER_CHECK_OK(parse_fields(*text));
        }
        break;
      }
      case At::kComplete: return ok_status();
    }
  }
}

Status HttpReader::parse_head(std::string_view head) {
  const size_t first = std::min(head.find("\r\n"), head.size());
  const std::string_view start = head.substr(0, first);
  const size_t space = start.find(' '), last = start.rfind(' ');
  if (space == std::string_view::npos || space == last) return malformed("the first line");
  const std::string_view version = start.substr(last + 1), target = start.substr(space + 1, last - space - 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return malformed("the version");
  request_.method = start.substr(0, space);
  request_.path = target.substr(0, target.find('?'));
  if (request_.path.empty() || request_.path.front() != '/') return malformed("the path");
  if (first < head.size()) COFFER_CHECK_OK(parse_fields(head.substr(first + 2)));
  const std::string connection = lower(request_.header("connection"));
  request_.keep_alive = version == "HTTP/1.1" ? connection != "close" : connection == "keep-alive";
  const std::string encoding = lower(request_.header("transfer-encoding"));
  const bool has_length = !request_.header("content-length").empty();
  if (!encoding.empty()) {
    if (encoding != "chunked" || has_length) return malformed("the body's length");
    at_ = At::kChunkSize;
  } else {
    const auto length = has_length ? number(request_.header("content-length"), 10) : 0;
    if (!length || *length > kBodySizeMax) return malformed("the body's length");
    left_ = *length;
    at_ = At::kBody;
  }
  continue_ = lower(request_.header("expect")) == "100-continue";
  return ok_status();
}

Status HttpReader::parse_fields(std::string_view fields) {
  while (!fields.empty()) {
    const size_t end = std::min(fields.find("\r\n"), fields.size());
    const std::string_view field = fields.substr(0, end);
    fields.remove_prefix(std::min(fields.size(), end + 2));
    const size_t colon = field.find(':');
    if (colon == 0 || colon == std::string_view::npos || request_.headers.size() == kHeadersMax)
      return malformed("a header");
    const std::string_view name = field.substr(0, colon);
    if (name.find_first_of(" \t\n\r") != std::string_view::npos || field.find('\n') != std::string_view::npos)
      return malformed("a header");
    std::string key = lower(name);
    const bool framing = key == "content-length" || key == "transfer-encoding";
    if (framing && !request_.header(key).empty()) return malformed("the body's length, twice");
    request_.headers.emplace_back(std::move(key), trimmed(field.substr(colon + 1)));
  }
  return ok_status();
}

std::string http_response(int status, std::string_view content_type,
                          const std::vector<std::pair<std::string, std::string>>& headers, std::string_view body) {
  std::string out;
  out.reserve(512 + body.size());
  out.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason_of(status)).append("\r\n");
  out.append("Content-Type: ").append(content_type).append("\r\n");
  for (const auto& [name, value] : headers) {
    out.append(name).append(": ");
    for (char c : value) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
    out.append("\r\n");
  }
  out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n");
  out.append(body);
  return out;
}

}  // namespace coffer::functions
