// COPY ... FROM STDIN, and rows larger than a source of backups sends: what only some sessions need of a connection.
#pragma once
#include <functional>
#include <string>

#include "base/byte_sink.h"
#include "engine/postgres/connection.h"

namespace coffer::postgres {

/// Sends what `fill` writes. When `fill` fails, the server is told to give up and its error is the answer; the session
/// stays usable. Errors of the server as query().
Status copy_in(const Context& context, Connection& connection, const std::string& command,
               const std::function<Status(ByteSink&)>& fill);

/// Messages up to this size are taken from the server from now on, instead of kCopyDataSizeMax. A whole message stands
/// in memory.
void take_messages_up_to(Connection& connection, size_t size_bytes);

/// What connect() makes has these too.
class CopyInSession {
 public:
  virtual ~CopyInSession() = default;
  virtual Status copy_in(const Context& context, const std::string& command,
                         const std::function<Status(ByteSink&)>& fill) = 0;
  virtual void take_messages_up_to(size_t size_bytes) = 0;
};

}  // namespace coffer::postgres
