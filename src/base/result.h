// Result<T>: a value or an Error. Every function of this code base that may fail says so in its return type.
// Names follow std::expected (C++23), so that moving to it later is a small change.
#pragma once
#include <cassert>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace coffer {

/// What a caller may do about a failure. A new code is added only when some caller acts differently on it;
/// the code alone decides whether to retry (kConflict from the start, kThrottled later, kUnavailable and
/// kDeadlineExceeded as they are).
enum class ErrorCode {
  kInvalidArgument,     // the caller's request is wrong
  kUnauthenticated,     // signature, token, key or passphrase does not open this
  kPermissionDenied,    // policy or the operating system said no
  kNotFound,            // no such thing
  kAlreadyExists,       // name or token taken
  kFailedPrecondition,  // wrong state, do not retry
  kConflict,            // lost a race; retry from the start
  kResourceExhausted,   // a quota, a full disk
  kThrottled,           // too fast; retry later
  kUnavailable,         // a dependency is away or broken
  kDeadlineExceeded,    // a dependency is slow
  kCancelled,           // somebody asked us to stop
  kCorruption,          // stored data is not what was stored
  kNotProven,           // a check could not run
  kInternal,            // our bug
};

/// The lower-case name of a code, as it stands in JSON output ("not_found").
std::string_view error_code_name(ErrorCode code);

/// Why something failed. `message` reads outermost first and names the thing (key, LSN, path), never a secret.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string next_step;  // what a person can do about it; may be empty
  std::string name = {};  // in the service model ("DeleteConflict"); empty: by code. Set by services only

  /// The same error with what we were doing put before it: `error.in("sealing pack 12ab")`.
  [[nodiscard]] Error in(std::string_view doing) && {
    message = std::string(doing) + ": " + message;
    return std::move(*this);
  }
  [[nodiscard]] Error in(std::string_view doing) const& { return Error(*this).in(doing); }
  /// The same error with advice; the innermost advice wins.
  [[nodiscard]] Error advise(std::string_view next) && {
    if (next_step.empty()) next_step = next;
    return std::move(*this);
  }
};

struct Unit {
  friend bool operator==(Unit, Unit) { return true; }
};

/// A value or an Error. Reading the absent one is a broken invariant and throws.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  [[nodiscard]] bool has_value() const { return ok(); }
  explicit operator bool() const { return ok(); }

  T& value() & { return check(), std::get<0>(state_); }
  const T& value() const& { return check(), std::get<0>(state_); }
  T&& value() && { return check(), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T value_or(T other) && { return ok() ? std::get<0>(std::move(state_)) : std::move(other); }

  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }
  [[nodiscard]] ErrorCode code() const { return error().code; }

 private:
  void check() const {
    if (!ok()) throw std::logic_error("value() of a failed Result: " + std::get<1>(state_).message);
  }
  std::variant<T, Error> state_;
};

using Status = Result<Unit>;
inline Status ok_status() { return Unit{}; }

/// A broken invariant: stays on in release, throws std::logic_error, and is caught by the job runner
/// and the request dispatcher alone.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
#define COFFER_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::coffer::assertion_failed(#condition, __FILE__, __LINE__))

#define COFFER_CONCAT_INNER(a, b) a##b
#define COFFER_CONCAT(a, b) COFFER_CONCAT_INNER(a, b)
/// `COFFER_TRY(auto x, expr);` binds the value of expr or returns its error from the enclosing function.
#define COFFER_TRY(declaration, expression) \
  COFFER_TRY_IN(declaration, expression, COFFER_CONCAT(coffer_try_, __COUNTER__))
#define COFFER_TRY_IN(declaration, expression, name) \
  auto name = (expression);                          \
  if (!name.ok()) return std::move(name).error();    \
  declaration = std::move(name).value()
/// Passes a failure of `expression` up; its value is dropped.
#define COFFER_CHECK_OK(expression) COFFER_CHECK_OK_IN(expression, COFFER_CONCAT(coffer_status_, __COUNTER__))
#define COFFER_CHECK_OK_IN(expression, name)                                  \
  do {                                                                        \
    if (auto name = (expression); !name.ok()) return std::move(name).error(); \
  } while (false)

}  // namespace coffer
