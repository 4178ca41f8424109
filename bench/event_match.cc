// Which of 10 000 rules an event matches: processor time of one match, in microseconds on one core. Each figure is the
// best of several rounds.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "services/events/matcher.h"

namespace {

using namespace coffer::events;

constexpr int kRules = 10'000;
constexpr int kRounds = 9;
constexpr double kRoundSeconds = 0.1;

/// Processor time of this process in seconds: other work on the machine counts little.
double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double best_seconds(const std::function<void()>& work) {
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const double start = processor_seconds();
    int calls = 0;
    double spent = 0;
    do {
      for (int i = 0; i < 32; ++i) work();
      calls += 32;
      spent = processor_seconds() - start;
    } while (spent < kRoundSeconds);
    best = std::min(best, spent / calls);
  }
  return best;
}

template <class T>
T must(coffer::Result<T> result) {
  if (result.ok()) return std::move(result).value();
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

/// `pattern` gives the detail of rule `i`.
void measure(const char* what, const Json& event, const std::function<std::string(const std::string& i)>& pattern) {
  std::vector<Pattern> rules;
  for (int i = 0; i < kRules; ++i)
    rules.push_back(
        must(parse_pattern(R"({"source":["aws.backup"],"detail-type":["Backup Job State Change"],"detail":)" +
                           pattern(std::to_string(i)) + "}")));
  const double start = processor_seconds();
  const Matcher matcher(rules);
  const double made = processor_seconds() - start;
  size_t matched = 0;
  const double seconds = best_seconds([&] { matched = matcher.match(event).size(); });
  std::printf("%-58s %8.1f us %7zu matched %8.0f ms to compile\n", what, seconds * 1e6, matched, made * 1e3);
}

}  // namespace

int main() {
  const std::string text =
      R"({"version":"0","id":"0b5d8a1e-6a6b-4a53-9a55-1a8f1b2f0c11","detail-type":"Backup Job State Change",)"
      R"("source":"aws.backup","account":"123456789012","time":"2026-01-05T05:21:40Z","region":"eu-west-1",)"
      R"("resources":["arn:aws:rds:eu-west-1:123456789012:snapshot:awsbackup:job-5f0c9a52-0d7b-4a43-8b7e-3f4f4f3e9d01"],)"
      R"("detail":{"backupJobId":"5F0C9A52-0D7B-4A43-8B7E-3F4F4F3E9D01","backupSizeInBytes":"21474836480",)"
      R"("backupVaultArn":"arn:aws:backup:eu-west-1:123456789012:backup-vault:vault-5000","backupVaultName":"vault-5000",)"
      R"("bytesTransferred":"0","creationDate":"2026-01-05T05:00:07.392Z",)"
      R"("iamRoleArn":"arn:aws:iam::123456789012:role/service-role/AWSBackupDefaultServiceRole",)"
      R"("resourceArn":"arn:aws:rds:eu-west-1:123456789012:db:orders-5000","resourceType":"RDS","state":"COMPLETED",)"
      R"("completionDate":"2026-01-05T05:20:59.921Z","startBy":"2026-01-05T13:00:00Z","percentDone":100,"retryCount":5000}})";
  const Json event = must(parse_json(text));
  std::printf("10 000 rules; the event of a completed backup job, %zu bytes\n", text.size());
  std::printf("%-58s %8.1f us\n", "reading the event's JSON", best_seconds([&] { must(parse_json(text)); }) * 1e6);
  measure("a vault name each, state COMPLETED", event,
          [](const std::string& i) { return R"({"state":["COMPLETED"],"backupVaultName":["vault-)" + i + "\"]}"; });
  measure("a prefix each", event, [](const std::string& i) {
    return R"({"resourceArn":[{"prefix":"arn:aws:rds:eu-west-1:123456789012:db:orders-)" + i + "\"}]}";
  });
  measure("a suffix each", event, [](const std::string& i) { return R"({"resourceArn":[{"suffix":"-)" + i + "\"}]}"; });
  measure("a wildcard with two stars each", event,
          [](const std::string& i) { return R"({"backupVaultArn":[{"wildcard":"arn:*:vault-)" + i + "*\"}]}"; });
  measure("a wildcard that begins with a star each", event,
          [](const std::string& i) { return R"({"backupVaultArn":[{"wildcard":"*backup*vault-)" + i + "\"}]}"; });
  measure("a numeric range each", event, [](const std::string& i) {
    return R"({"retryCount":[{"numeric":[">",)" + i + R"(,"<=",)" + std::to_string(std::stoi(i) + 2) + "]}]}";
  });
  measure("equals-ignore-case each", event,
          [](const std::string& i) { return R"({"backupVaultName":[{"equals-ignore-case":"VAULT-)" + i + "\"}]}"; });
  measure("a vault name or a type, by $or, each", event, [](const std::string& i) {
    return R"({"$or":[{"backupVaultName":["vault-)" + i + R"("]},{"resourceType":["T)" + i + "\"]}]}";
  });
  measure("anything but another state, a vault name each", event, [](const std::string& i) {
    return R"({"state":[{"anything-but":["FAILED","ABORTED"]}],"backupVaultName":["vault-)" + i + "\"]}";
  });
  measure("the worst: anything but one name, each rule another", event,
          [](const std::string& i) { return R"({"backupVaultName":[{"anything-but":"vault-)" + i + "\"}]}"; });
}
