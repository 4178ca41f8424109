// Which addresses requests to URLs of users may go to: what is private to this machine or its network is not theirs to
// reach through us.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "services/policy/scalars.h"

namespace coffer::wire {

class AddressGuard {
 public:
  /// `allowed`: blocks that may be reached although they are private ("10.1.0.0/16", "127.0.0.1"). kInvalidArgument for
  /// what is no block.
  static Result<AddressGuard> create(const std::vector<std::string>& allowed);
  /// An address as it was resolved, not a name. What is no address may not be reached.
  [[nodiscard]] bool allows(std::string_view address) const;

 private:
  std::vector<policy::AddressBlock> allowed_;
};

}  // namespace coffer::wire
