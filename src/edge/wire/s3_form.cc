#include "edge/wire/s3_form.h"

#include <algorithm>
#include <cstring>

#include "edge/wire/codec.h"
#include "edge/wire/sigv4_canonical.h"
#include "services/api/fault.h"

namespace coffer::wire {
namespace {

constexpr std::string_view kFormType = "multipart/form-data";
constexpr size_t kBufferSize = 64 << 10;
constexpr size_t kBoundarySizeMax = 70;  // RFC 2046
constexpr size_t kFieldsSizeMax = 20 << 10;
constexpr size_t kFieldsMax = 100;
constexpr size_t kPartHeadSizeMax = 4 << 10;

Error malformed() {
  return api::fault(ErrorCode::kInvalidArgument, "MalformedPOSTRequest",
                    "The body of your POST request is not well-formed multipart/form-data.");
}
Error too_much() {
  return api::fault(ErrorCode::kInvalidArgument, "MaxPostPreDataLengthExceededError",
                    "Your POST request fields preceding the upload file were too large.");
}

/// A parameter of a header field: name="value" or name=value.
std::optional<std::string> parameter_of(std::string_view text, std::string_view name) {
  size_t at = text.find(';');
  while (at != std::string_view::npos && at < text.size()) {
    ++at;
    const size_t equals = text.find('=', at);
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view found = trimmed(text.substr(at, equals - at));
    std::string value;
    size_t end = equals + 1;
    if (end < text.size() && text[end] == '"') {
      // Browsers write a quote inside as %22 or \"; a backslash stands for itself otherwise ("C:\file").
      for (++end; end < text.size() && text[end] != '"'; ++end) {
        if (text[end] == '\\' && end + 1 < text.size() && text[end + 1] == '"') ++end;
        value += text[end];
      }
      if (end >= text.size()) return std::nullopt;
      end = text.find(';', end);
    } else {
      end = text.find(';', end);
      value = trimmed(text.substr(equals + 1, end == std::string_view::npos ? end : end - equals - 1));
    }
    if (same_name(found, name)) return value;
    at = end;
  }
  return std::nullopt;
}

}  // namespace

bool is_form_upload(const Request& request) {
  const std::string_view type = request.headers.get("content-type");
  return request.method == "POST" && same_name(trimmed(type.substr(0, type.find(';'))), kFormType);
}

const std::string* S3Form::find(std::string_view lower_name) const {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == lower_name; });
  return found == fields.end() ? nullptr : &found->second;
}

struct S3FormReader::State {
  BodySource& body;
  std::string delimiter;  // CR LF -- boundary; empty: the request names none
  Bytes buffer = Bytes(kBufferSize);
  size_t begin = 0, end = 0;
  bool in_file = false;

  [[nodiscard]] std::string_view there() const { return as_text(ByteView(buffer).subspan(begin, end - begin)); }

  /// More bytes behind those that are there; 0 at the end of the request.
  Result<size_t> fill(const Context& context) {
    if (begin > 0) {
      std::memmove(buffer.data(), buffer.data() + begin, end - begin);
      end -= begin;
      begin = 0;
    }
    if (end == buffer.size()) return malformed();  // nothing that is looked for is that long
    COFFER_TRY(const size_t size, body.read(context, MutableByteView(buffer).subspan(end)));
    end += size;
    return size;
  }

  Status need(const Context& context, size_t size) {
    while (end - begin < size) {
      COFFER_TRY(const size_t got, fill(context));
      if (got == 0) return malformed();
    }
    return ok_status();
  }

  /// Up to `mark`, which is dropped.
  Result<std::string> read_until(const Context& context, std::string_view mark, size_t size_max,
                                 const Error& too_long) {
    for (;;) {
      const size_t at = there().find(mark);
      if (at != std::string_view::npos) {
        if (at > size_max) return too_long;
        std::string text(there().substr(0, at));
        begin += at + mark.size();
        return text;
      }
      if (there().size() > size_max + mark.size()) return too_long;
      COFFER_TRY(const size_t got, fill(context));
      if (got == 0) return malformed();
    }
  }

  /// Behind a delimiter: true when another part follows, false at the end of the form.
  Result<bool> next_part(const Context& context) {
    COFFER_CHECK_OK(need(context, 2));
    if (there().starts_with("--")) return false;
    COFFER_TRY(const std::string padding, read_until(context, "\r\n", kPartHeadSizeMax, malformed()));
    if (!trimmed(padding).empty()) return malformed();
    return true;
  }

  struct PartHead {
    std::string name, file_name, type;
    bool is_file = false;
  };
  Result<PartHead> read_part_head(const Context& context) {
    PartHead head;
    for (size_t left = kPartHeadSizeMax;;) {
      COFFER_TRY(const std::string line, read_until(context, "\r\n", left, malformed()));
      if (line.empty()) break;
      left -= std::min(left, line.size());
      const size_t colon = line.find(':');
      if (colon == std::string::npos) return malformed();
      const std::string_view value = trimmed(std::string_view(line).substr(colon + 1));
      if (same_name(trimmed(std::string_view(line).substr(0, colon)), "content-disposition")) {
        head.name = lower_case(parameter_of(value, "name").value_or(""));
        const auto file = parameter_of(value, "filename");
        head.file_name = file.value_or("");
      } else if (same_name(trimmed(std::string_view(line).substr(0, colon)), "content-type")) {
        head.type = value;
      }
    }
    head.is_file = head.name == "file";
    if (head.name.empty() || !is_utf8(head.name) || !is_utf8(head.file_name)) return malformed();
    return head;
  }
};

S3FormReader::S3FormReader(BodySource& body, std::string_view content_type)
    : state_(std::make_unique<State>(State{body, {}})) {
  const std::optional<std::string> boundary = parameter_of(content_type, "boundary");
  if (boundary && !boundary->empty() && boundary->size() <= kBoundarySizeMax) state_->delimiter = "\r\n--" + *boundary;
}
S3FormReader::~S3FormReader() = default;

Result<S3Form> S3FormReader::read_fields(const Context& context) {
  State& state = *state_;
  if (state.delimiter.empty()) return malformed();
  // The first delimiter stands at the very beginning.
  const std::string first = state.delimiter.substr(2);
  COFFER_CHECK_OK(state.need(context, first.size()));
  if (!state.there().starts_with(first)) return malformed();
  state.begin += first.size();
  S3Form form;
  size_t left = kFieldsSizeMax;
  for (;;) {
    COFFER_TRY(const bool has_part, state.next_part(context));
    if (!has_part)
      return api::fault(ErrorCode::kInvalidArgument, "InvalidArgument",
                        "POST requires exactly one file upload per request.");
    COFFER_TRY(State::PartHead head, state.read_part_head(context));
    if (head.is_file) {
      form.file_name = std::move(head.file_name);
      form.file_type = std::move(head.type);
      state.in_file = true;
      return form;
    }
    if (form.fields.size() == kFieldsMax) return too_much();
    COFFER_TRY(std::string value, state.read_until(context, state.delimiter, left, too_much()));
    const size_t size = head.name.size() + value.size();
    if (size > left) return too_much();
    left -= size;
    if (!is_utf8(value)) return malformed();
    form.fields.emplace_back(std::move(head.name), std::move(value));
  }
}

Result<size_t> S3FormReader::read_file(const Context& context, MutableByteView out) {
  State& state = *state_;
  if (!state.in_file || out.empty()) return size_t{0};
  for (;;) {
    const std::string_view there = state.there();
    const size_t mark = there.find(state.delimiter);
    // Without a delimiter the last bytes may be the first of one.
    const size_t plain = mark != std::string_view::npos          ? mark
                         : there.size() < state.delimiter.size() ? 0
                                                                 : there.size() - state.delimiter.size() + 1;
    if (plain > 0) {
      const size_t size = std::min(plain, out.size());
      std::memcpy(out.data(), there.data(), size);
      state.begin += size;
      return size;
    }
    if (mark == 0) break;
    COFFER_TRY(const size_t got, state.fill(context));
    if (got == 0)
      return api::fault(ErrorCode::kInvalidArgument, "IncompleteBody",
                        "The request body terminated unexpectedly: the form ends within its file.");
  }
  state.in_file = false;
  state.begin = state.end = 0;
  for (;;) {  // what stands behind the file means nothing
    COFFER_TRY(const size_t got, state.body.read(context, state.buffer));
    if (got == 0) return size_t{0};
  }
}

}  // namespace coffer::wire
