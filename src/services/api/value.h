// Value: the input and the output of an operation, as a tree of plain values. Services read and write these; how they
// look on the wire (JSON, XML, query strings, headers) is known to edge/wire alone. By the time a service sees an
// input, the model has validated it: members have their model types, required ones are there, ranges hold.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"

namespace coffer::api {

class Value;
using List = std::vector<Value>;
/// A structure or a map: members in the order in which they were set. Names are the model's member names.
using Members = std::vector<std::pair<std::string, Value>>;

class Value {
 public:
  Value() = default;  // null: an absent member
  Value(bool v) : state_(v) {}
  Value(int v) : state_(static_cast<int64_t>(v)) {}
  Value(int64_t v) : state_(v) {}
  Value(double v) : state_(v) {}
  Value(const char* v) : state_(std::string(v)) {}
  Value(std::string v) : state_(std::move(v)) {}
  Value(std::string_view v) : state_(std::string(v)) {}
  Value(Bytes v) : state_(std::move(v)) {}
  Value(WallTime v) : state_(v) {}
  Value(List v) : state_(std::move(v)) {}
  Value(Members v) : state_(std::move(v)) {}
  /// `Value::object({{"KeyId", id}, {"Enabled", true}})`; null members are left out.
  static Value object(std::initializer_list<Members::value_type> members = {});

  [[nodiscard]] bool is_null() const { return state_.index() == 0; }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<Members>(state_); }
  [[nodiscard]] bool is_list() const { return std::holds_alternative<List>(state_); }
  template <class T>
  [[nodiscard]] const T* get_if() const {
    return std::get_if<T>(&state_);
  }
  template <class T>
  [[nodiscard]] T* get_if() {
    return std::get_if<T>(&state_);
  }

  /// The member of an object; null when absent or when this is no object.
  [[nodiscard]] const Value* find(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  /// Sets a member, replacing one of the same name. Setting null leaves it out. This must be an object or null.
  Value& set(std::string_view name, Value value);

  // Members by type; the empty value when absent (or, against the model, of another type).
  [[nodiscard]] std::string_view text(std::string_view name) const;
  [[nodiscard]] std::optional<std::string> text_if(std::string_view name) const;
  [[nodiscard]] std::optional<int64_t> integer(std::string_view name) const;
  [[nodiscard]] bool flag(std::string_view name, bool otherwise = false) const;
  [[nodiscard]] std::optional<WallTime> time(std::string_view name) const;
  [[nodiscard]] ByteView blob(std::string_view name) const;
  [[nodiscard]] const List& list(std::string_view name) const;
  [[nodiscard]] const Members& members(std::string_view name) const;
  /// The strings of a list member.
  [[nodiscard]] std::vector<std::string> texts(std::string_view name) const;
  /// A map member string -> string, sorted by key.
  [[nodiscard]] std::map<std::string, std::string> text_map(std::string_view name) const;

  [[nodiscard]] const List& items() const;
  [[nodiscard]] const Members& entries() const;
  void push_back(Value item);

  friend bool operator==(const Value&, const Value&) = default;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Bytes, WallTime, List, Members> state_;
};

/// A list of strings as a value.
Value text_list(const std::vector<std::string>& texts);
/// A map string -> string as a value.
Value text_map(const std::map<std::string, std::string>& map);

}  // namespace coffer::api
