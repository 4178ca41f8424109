#include "services/s3/access_logs.h"

#include <algorithm>

#include "services/api/memory_body.h"

namespace coffer::s3 {
namespace {

constexpr std::string_view kPrincipal = "logging.s3.amazonaws.com";
constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::string or_dash(std::string_view text) { return text.empty() ? "-" : std::string(text); }

/// What a client chose must not end a field or a line.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : or_dash(text)) {
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) {
      out += "%" + to_hex(as_bytes(std::string_view(&c, 1)));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// As it is in a URL, so that it has no blank.
std::string encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '%' || c == '"') {
      out += "%" + to_hex(as_bytes(std::string_view(&c, 1)));
    } else {
      out += c;
    }
  }
  return or_dash(out);
}

/// "[06/Feb/2026:00:00:38 +0000]"; from "2026-02-06T00:00:38Z".
std::string bracketed(WallTime time) {
  const std::string utc = format_utc(time);
  const size_t month = static_cast<size_t>(std::stoi(utc.substr(5, 2))) - 1;
  return "[" + utc.substr(8, 2) + "/" + std::string(kMonths[month]) + "/" + utc.substr(0, 4) + ":" + utc.substr(11, 8) +
         " +0000]";
}

std::string log_key(const api::Value& logging, const rows::Bucket& source, WallTime now, Entropy& entropy) {
  const std::string utc = format_utc(now);
  std::string key(logging.text("TargetPrefix"));
  const api::Value* format = logging.find("TargetObjectKeyFormat");
  if (format && format->has("PartitionedPrefix"))
    key += source.account + "/" + source.region + "/" + source.name + "/" + utc.substr(0, 4) + "/" + utc.substr(5, 2) +
           "/" + utc.substr(8, 2) + "/";
  std::string random = to_hex(entropy.array<8>());
  std::transform(random.begin(), random.end(), random.begin(), [](char c) { return c >= 'a' ? char(c - 32) : c; });
  return key + utc.substr(0, 10) + "-" + utc.substr(11, 2) + "-" + utc.substr(14, 2) + "-" + utc.substr(17, 2) + "-" +
         random;
}

}  // namespace

std::string access_line(std::string_view bucket_owner, const AccessRecord& r) {
  const auto number_or_dash = [](uint64_t n) { return n == 0 ? std::string("-") : std::to_string(n); };
  const std::string total = std::to_string(r.total_ms);
  return std::string(bucket_owner) + " " + r.bucket + " " + bracketed(r.time) + " " + or_dash(r.remote_ip) + " " +
         encoded(r.requester) + " " + r.request_id + " " + r.operation + " " + encoded(r.key) + " " +
         quoted(r.method + " " + r.target + " HTTP/1.1") + " " + std::to_string(r.status) + " " +
         or_dash(r.error_code) + " " + number_or_dash(r.bytes_sent) + " - " + total + " " + total + " " +
         quoted(r.referer) + " " + quoted(r.user_agent) + " " + or_dash(r.version_id) + " - " +
         or_dash(r.signature_version) + " - " + or_dash(r.auth_type) + " " + encoded(r.host) + " " +
         (r.tls ? "TLSv1.3" : "-") + " - -\n";
}

bool AccessLogs::wants(std::string_view bucket) {
  std::lock_guard lock(mutex_);
  return logged_.contains(bucket);
}

void AccessLogs::note(AccessRecord record) {
  std::lock_guard lock(mutex_);
  if (count_ >= kWaitingMax || !logged_.contains(record.bucket)) return;
  ++count_;
  waiting_[record.bucket].push_back(std::move(record));
}

Status AccessLogs::look_up(const Context& context) {
  COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
  COFFER_TRY(const catalog::Rows rows, t->run("SELECT b.name FROM s3_settings s JOIN s3_buckets b ON b.id = "
                                              "s.bucket_id WHERE s.kind = 'logging'"));
  std::set<std::string, std::less<>> names;
  for (const catalog::Row& row : rows) names.insert(row.text(0));
  std::lock_guard lock(mutex_);
  logged_ = std::move(names);
  return ok_status();
}

Status AccessLogs::deliver(const Context& context, WallTime now, const api::Transfer& transfer) {
  COFFER_CHECK_OK(look_up(context));
  std::map<std::string, std::vector<AccessRecord>> due;
  {
    std::lock_guard lock(mutex_);
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      const bool is_due = at->second.size() >= kBatch || at->second.front().time + kWait <= now ||
                          at->second.front().time > now;  // a clock that was set back
      if (!is_due) {
        ++at;
        continue;
      }
      count_ -= at->second.size();
      due.insert(waiting_.extract(at++));
    }
  }
  Status first = ok_status();
  for (auto& [bucket, records] : due) {
    Status done = deliver_one(context, now, bucket, std::move(records), transfer);
    if (!done.ok() && first.ok()) first = std::move(done).error().in("access log of bucket " + bucket);
  }
  return first;
}

Status AccessLogs::deliver_one(const Context& context, WallTime now, const std::string& bucket,
                               std::vector<AccessRecord> records, const api::Transfer& transfer) {
  std::shared_ptr<const BucketView> source;
  {
    COFFER_TRY(auto t, setting_.database.begin(context, catalog::Database::Mode::kRead));
    COFFER_TRY(source, setting_.buckets.find(*t, bucket));
  }
  const api::Value* logging = source ? source->setting("logging") : nullptr;
  if (!logging) return ok_status();
  const api::Value owner = owner_value(source->bucket.account);
  std::string text;
  for (const AccessRecord& record : records) text += access_line(owner.text("ID"), record);
  api::Call call;
  call.context = context;
  call.caller.kind = api::Caller::Kind::kService;
  call.caller.arn = kPrincipal;
  call.service = "s3";
  call.operation = "PutObject";
  call.region = source->bucket.region;
  call.request_id = random_uuid(setting_.entropy);
  call.time = now;
  call.source_arn = source->bucket.arn();
  call.source_account = source->bucket.account;
  const api::Value input = api::Value::object({{"Bucket", logging->text("TargetBucket")},
                                               {"Key", log_key(*logging, source->bucket, now, setting_.entropy)},
                                               {"ContentType", "text/plain"}});
  api::MemoryBody body(as_bytes(text));
  api::Reply reply;
  COFFER_CHECK_OK(transfer(call, nullptr, input, &body, &reply));
  return ok_status();
}

}  // namespace coffer::s3
