// multipart/form-data as a browser posts it to a bucket: fields, then one file, which flows.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edge/wire/http.h"

namespace coffer::wire {

/// Whether a request is such a form.
bool is_form_upload(const Request& request);

struct S3Form {
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case, in order, those before the file
  std::string file_name, file_type;                         // of the file's part
  [[nodiscard]] const std::string* find(std::string_view lower_name) const;
};

/// Reads the fields in front of the file. `body` is borrowed. Errors: "MalformedPOSTRequest",
/// "MaxPostPreDataLengthExceededError", "InvalidArgument" when there is no file.
class S3FormReader {
 public:
  S3FormReader(BodySource& body, std::string_view content_type);
  ~S3FormReader();
  Result<S3Form> read_fields(const Context& context);
  /// The file's bytes, 0 at its end; the rest of the form is then read and dropped. "IncompleteBody" when the form ends
  /// before the file does.
  Result<size_t> read_file(const Context& context, MutableByteView out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::wire
