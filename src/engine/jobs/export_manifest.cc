#include "engine/jobs/export_manifest.h"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "engine/crypto/digest.h"
#include "engine/crypto/ed25519.h"

namespace coffer::jobs {

using nlohmann::ordered_json;

namespace {

constexpr std::string_view kManifestSchema = "coffer.export/1";
constexpr std::string_view kSignatureSchema = "coffer.export-signature/1";
constexpr std::string_view kSignatureLabel = "coffer export signature v1";
constexpr double kGigabyte = 1024.0 * 1024.0 * 1024.0;

std::string hex_of(uint64_t value) {
  Bytes bytes;
  ByteWriter(bytes).u64(value);
  return to_hex(bytes);
}

ordered_json file_json(const ExportedFile& file) {
  return {{"path", file.path}, {"rows", file.rows}, {"size_bytes", file.size_bytes}, {"sha256", file.sha256}};
}

ordered_json files_json(const std::vector<ExportedFile>& files) {
  ordered_json list = ordered_json::array();
  for (const ExportedFile& file : files) list.push_back(file_json(file));
  return list;
}

ordered_json table_json(const ExportedTable& table) {
  ordered_json columns = parquet::columns_to_json(table.plan);
  for (size_t i = 0; i < columns.size(); ++i) {
    columns[i]["values"] = table.digest.columns.at(i).values;
    columns[i]["digest"] = hex_of(table.digest.columns[i].sum);
  }
  return {{"schema", table.plan.schema},
          {"name", table.plan.name},
          {"utf8", table.plan.utf8},
          {"folder", table.folder},
          {"rows", table.digest.rows},
          {"rows_digest", hex_of(table.digest.row_sum)},
          {"partitions", table.partitions},
          {"value_bytes", table.value_bytes},
          {"file_bytes", table.file_bytes},
          {"started", format_utc(table.started, true)},
          {"finished", format_utc(table.finished, true)},
          {"columns", std::move(columns)},
          {"files", files_json(table.files)}};
}

// Reads members of one object; the first that is missing or of another type makes `ok` false.
class Fields {
 public:
  explicit Fields(const ordered_json& json) : json_(json), ok_(json.is_object()) {}
  [[nodiscard]] bool ok() const { return ok_; }
  std::string text(const char* name) {
    return has(name, [](const auto& j) { return j.is_string(); }) ? json_[name].get<std::string>() : std::string();
  }
  uint64_t number(const char* name) {
    return has(name, [](const auto& j) { return j.is_number_unsigned(); }) ? json_[name].get<uint64_t>() : 0;
  }
  bool boolean(const char* name) {
    return has(name, [](const auto& j) { return j.is_boolean(); }) && json_[name].get<bool>();
  }
  uint64_t hex(const char* name) {
    auto bytes = from_hex(text(name));
    if (!bytes.ok() || bytes->size() != 8) return ok_ = false, 0;
    return ByteReader(*bytes).u64();
  }
  WallTime time(const char* name) {
    auto parsed = parse_utc(text(name));
    if (!parsed.ok()) return ok_ = false, WallTime{};
    return *parsed;
  }
  const ordered_json& list(const char* name) {
    static const ordered_json kNone = ordered_json::array();
    return has(name, [](const auto& j) { return j.is_array(); }) ? json_[name] : kNone;
  }

 private:
  template <class Is>
  bool has(const char* name, Is&& is) {
    return ok_ = ok_ && json_.contains(name) && is(json_[name]);
  }
  const ordered_json& json_;
  bool ok_;
};

Error malformed(std::string_view what) {
  return {ErrorCode::kCorruption, "the manifest of the export has no sound " + std::string(what), {}};
}

Status decode_files(const ordered_json& list, std::vector<ExportedFile>& to) {
  for (const auto& json : list) {
    Fields f(json);
    ExportedFile file{f.text("path"), f.number("rows"), f.number("size_bytes"), f.text("sha256")};
    if (!f.ok()) return malformed("list of files");
    COFFER_CHECK_OK(check_relative_path(file.path));
    to.push_back(std::move(file));
  }
  return ok_status();
}

Result<ExportedTable> decode_table(const ordered_json& json, ExportLayout layout, const std::string& database) {
  Fields f(json);
  ExportedTable table;
  table.plan.layout = layout == ExportLayout::kRds ? parquet::Layout::kRds : parquet::Layout::kTyped;
  table.plan.database = database;
  table.plan.schema = f.text("schema");
  table.plan.name = f.text("name");
  table.plan.utf8 = f.boolean("utf8");
  table.folder = f.text("folder");
  table.digest.rows = f.number("rows");
  table.digest.row_sum = f.hex("rows_digest");
  table.partitions = f.number("partitions");
  table.value_bytes = f.number("value_bytes");
  table.file_bytes = f.number("file_bytes");
  table.started = f.time("started");
  table.finished = f.time("finished");
  const ordered_json& columns = f.list("columns");
  if (!f.ok()) return malformed("table");
  COFFER_CHECK_OK(parquet::columns_from_json(columns, table.plan));
  for (const auto& column : columns) {
    Fields c(column);
    table.digest.columns.push_back({c.number("values"), c.hex("digest")});
    if (!c.ok()) return malformed("digest of a column");
  }
  COFFER_CHECK_OK(decode_files(f.list("files"), table.files));
  if (!f.ok()) return malformed("table");
  return table;
}

Secret signing_seed(const vault::EpochKeys& keys) {
  return Secret(crypto::hkdf_expand_sha512(keys.root.view(), as_bytes(kSignatureLabel), crypto::kEd25519SeedSize));
}

Bytes signed_message(std::string_view manifest) {
  Bytes message = to_bytes(kSignatureLabel);
  message.push_back(std::byte{0});
  append(message, crypto::sha256(as_bytes(manifest)));
  return message;
}

std::string json_string(std::string_view text) {
  // Invalid UTF-8 comes only out of databases without an encoding.
  return ordered_json(std::string(text)).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace

std::string encode_export_manifest(const ExportManifest& m) {
  ordered_json databases = ordered_json::array();
  for (const ExportedDatabase& database : m.databases) {
    ordered_json tables = ordered_json::array(), left_out = ordered_json::array();
    for (const ExportedTable& table : database.tables) tables.push_back(table_json(table));
    for (const auto& item : database.left_out) left_out.push_back({{"name", item.name}, {"reason", item.reason}});
    databases.push_back({{"name", database.name},
                         {"encoding", database.encoding},
                         {"tables", std::move(tables)},
                         {"left_out", std::move(left_out)},
                         {"schema_files", files_json(database.schema_files)}});
  }
  ordered_json skipped = ordered_json::array();
  for (const ExportSkipped& item : m.skipped) skipped.push_back({{"what", item.what}, {"reason", item.reason}});
  const ordered_json json{{"schema", kManifestSchema},
                          {"identifier", m.identifier},
                          {"layout", export_layout_name(m.layout)},
                          {"point", m.point_id},
                          {"vault", m.vault_uuid},
                          {"coffer_version", m.coffer_version},
                          {"system_identifier", m.system_identifier},
                          {"server_version_num", static_cast<uint64_t>(m.server_version_num)},
                          {"started", format_utc(m.started, true)},
                          {"finished", format_utc(m.finished, true)},
                          {"only", m.only},
                          {"databases", std::move(databases)},
                          {"global_files", files_json(m.global_files)},
                          {"skipped", std::move(skipped)},
                          {"notes", m.notes}};
  return json.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<ExportManifest> decode_export_manifest(std::string_view text) {
  const ordered_json json = ordered_json::parse(text, nullptr, false);
  if (json.is_discarded()) return malformed("JSON");
  Fields f(json);
  ExportManifest m;
  if (const std::string schema = f.text("schema"); schema != kManifestSchema) {
    if (!schema.starts_with("coffer.export/")) return malformed("name of its form");
    return Error{ErrorCode::kFailedPrecondition, "the export's manifest has the form " + schema.substr(0, 40),
                 "use a newer coffer"};
  }
  m.identifier = f.text("identifier");
  const std::string layout = f.text("layout");
  if (layout != "rds" && layout != "typed") return malformed("layout");
  m.layout = layout == "rds" ? ExportLayout::kRds : ExportLayout::kTyped;
  m.point_id = f.text("point");
  m.vault_uuid = f.text("vault");
  m.coffer_version = f.text("coffer_version");
  m.system_identifier = f.number("system_identifier");
  m.server_version_num = static_cast<int>(f.number("server_version_num") & 0x7fffffff);
  m.started = f.time("started");
  m.finished = f.time("finished");
  for (const auto& item : f.list("only"))
    if (item.is_string()) m.only.push_back(item.get<std::string>());
  for (const auto& item : f.list("notes"))
    if (item.is_string()) m.notes.push_back(item.get<std::string>());
  for (const auto& item : f.list("skipped")) {
    Fields s(item);
    m.skipped.push_back({s.text("what"), s.text("reason")});
    if (!s.ok()) return malformed("list of what was skipped");
  }
  COFFER_CHECK_OK(decode_files(f.list("global_files"), m.global_files));
  for (const auto& item : f.list("databases")) {
    Fields d(item);
    ExportedDatabase database;
    database.name = d.text("name");
    database.encoding = d.text("encoding");
    for (const auto& table : d.list("tables")) {
      COFFER_TRY(ExportedTable decoded, decode_table(table, m.layout, database.name));
      database.tables.push_back(std::move(decoded));
    }
    for (const auto& left : d.list("left_out")) {
      Fields l(left);
      database.left_out.push_back({l.text("name"), l.text("reason")});
    }
    COFFER_CHECK_OK(decode_files(d.list("schema_files"), database.schema_files));
    if (!d.ok()) return malformed("database");
    m.databases.push_back(std::move(database));
  }
  if (!f.ok() || !is_export_identifier(m.identifier)) return malformed("head");
  return m;
}

std::string sign_export_manifest(std::string_view manifest, const vault::Vault& vault) {
  const Secret seed = signing_seed(vault.current());
  const ordered_json json{{"schema", kSignatureSchema},
                          {"algorithm", "Ed25519"},
                          {"vault", vault.format().uuid},
                          {"key_id", to_hex(vault.current().key_id)},
                          {"public_key", to_hex(crypto::ed25519_public_key(seed.view()))},
                          {"sha256", to_hex(crypto::sha256(as_bytes(manifest)))},
                          {"signature", to_hex(crypto::ed25519_sign(seed.view(), signed_message(manifest)))}};
  return json.dump(1) + "\n";
}

Status check_export_signature(std::string_view manifest, std::string_view signature, const vault::Vault* vault) {
  const Error forged{ErrorCode::kUnauthenticated, "the manifest of the export is not what was signed",
                     "somebody or something changed it: export again, and find out who"};
  const ordered_json json = ordered_json::parse(signature, nullptr, false);
  if (json.is_discarded()) return forged;
  Fields f(json);
  const std::string schema = f.text("schema"), key_id = f.text("key_id");
  auto public_key = from_hex(f.text("public_key"));
  auto bytes = from_hex(f.text("signature"));
  if (!f.ok() || schema != kSignatureSchema || !public_key.ok() || !bytes.ok()) return forged;
  if (vault != nullptr) {
    crypto::KeyId id{};
    auto named = from_hex(key_id);
    if (!named.ok() || named->size() != id.size()) return forged;
    std::copy(named->begin(), named->end(), id.begin());
    auto epoch = vault->epoch_of(id);
    if (!epoch.ok())
      return std::move(epoch).error().in("the export was signed with a key that this vault does not have");
    const Secret seed = signing_seed(**epoch);
    if (!equal(crypto::ed25519_public_key(seed.view()), *public_key)) return forged;
  }
  if (!crypto::ed25519_verify(*public_key, signed_message(manifest), *bytes)) return forged;
  return ok_status();
}

std::string us_time(WallTime time) {
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  int64_t seconds = time.micros / 1'000'000;
  if (time.micros % 1'000'000 < 0) --seconds;
  const auto at = static_cast<time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&at, &parts);
  auto two = [](int n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  const int hour = parts.tm_hour % 12 == 0 ? 12 : parts.tm_hour % 12;
  return std::string(kMonths[static_cast<size_t>(parts.tm_mon)]) + " " + std::to_string(parts.tm_mday) + ", " +
         std::to_string(parts.tm_year + 1900) + ", " + std::to_string(hour) + ":" + two(parts.tm_min) + ":" +
         two(parts.tm_sec) + (parts.tm_hour < 12 ? " AM" : " PM");
}

std::string java_double(double value) {
  if (value == 0 || !std::isfinite(value)) return "0.0";
  char buffer[64];
  const double magnitude = std::fabs(value);
  const bool plain = magnitude >= 1e-3 && magnitude < 1e7;
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value,
                           plain ? std::chars_format::fixed : std::chars_format::scientific)
                 .ptr;
  std::string text(buffer, end);
  if (plain) return text.find('.') == std::string::npos ? text + ".0" : text;
  const size_t e = text.find('e');
  std::string mantissa = text.substr(0, e);
  if (mantissa.find('.') == std::string::npos) mantissa += ".0";
  int exponent = 0;
  const char* digits = text.data() + e + 1 + (text[e + 1] == '+' ? 1 : 0);
  std::from_chars(digits, text.data() + text.size(), exponent);
  return mantissa + "E" + std::to_string(exponent);
}

std::string rds_export_info(const ExportOptions& options, const ExportManifest& manifest) {
  std::string only;
  for (const std::string& item : options.only) only += (only.empty() ? "" : ",") + json_string(item);
  double bytes = 0;
  for (const auto& database : manifest.databases)
    for (const auto& table : database.tables) bytes += static_cast<double>(table.value_bytes);
  const std::string path = (options.prefix.empty() ? "" : options.prefix + "/") + options.identifier;
  return "{\"exportTaskIdentifier\":" + json_string(options.identifier) +
         ",\"sourceArn\":" + json_string(options.source_arn) + ",\"exportOnly\":[" + only +
         "],\"snapshotTime\":" + json_string(us_time(options.snapshot_time)) +
         ",\"taskStartTime\":" + json_string(us_time(options.task_start_time)) +
         ",\"taskEndTime\":" + json_string(us_time(manifest.finished)) +
         ",\"s3Bucket\":" + json_string(options.bucket) + ",\"s3Prefix\":" + json_string(options.prefix) +
         ",\"exportedFilesPath\":" + json_string(path) + ",\"iamRoleArn\":" + json_string(options.role_arn) +
         ",\"kmsKeyId\":" + json_string(options.kms_key_id) +
         ",\"status\":\"COMPLETE\",\"percentProgress\":100,\"totalExportedDataInGB\":" +
         java_double(bytes / kGigabyte) + ",\"databaseOid\":0}";
}

std::string rds_tables_info(const ExportManifest& manifest, size_t& count) {
  std::string entries;
  count = 0;
  auto begin = [&] { entries += count++ == 0 ? "" : ","; };
  for (const auto& database : manifest.databases) {
    for (const ExportedTable& table : database.tables) {
      begin();
      std::string columns;
      for (const auto& column : table.plan.columns) {
        const parquet::SourceColumn& source = column.source;
        columns += (columns.empty() ? "" : ",") + std::string("{\"columnName\":") + json_string(source.name) +
                   ",\"originalType\":" + json_string(source.data_type) +
                   ",\"expectedExportedType\":" + json_string(parquet::exported_type(table.plan, column)) +
                   ",\"originalCharMaxLength\":" + std::to_string(source.char_length_max) +
                   ",\"originalNumPrecision\":" + std::to_string(source.numeric_precision) +
                   ",\"originalDateTimePrecision\":" + std::to_string(source.datetime_precision) + "}";
      }
      const std::string partitions = std::to_string(table.partitions);
      entries +=
          "{\"tableStatistics\":{\"extractionStartTime\":" + json_string(us_time(table.started)) +
          ",\"extractionEndTime\":" + json_string(us_time(table.finished)) +
          ",\"partitioningInfo\":{\"numberOfPartitions\":" + partitions +
          ",\"numberOfCompletedPartitions\":" + partitions + "}},\"schemaMetadata\":{\"originalTypeMappings\":[" +
          columns +
          "]},\"status\":\"COMPLETE\",\"sizeGB\":" + java_double(static_cast<double>(table.value_bytes) / kGigabyte) +
          ",\"target\":" + json_string(table.plan.database + "." + table.plan.schema + "." + table.plan.name) + "}";
    }
  }
  for (const ExportSkipped& item : manifest.skipped) {
    begin();
    entries += "{\"warningMessage\":" + json_string(item.reason) + ",\"target\":" + json_string(item.what) + "}";
  }
  return "{\"perTableStatus\":[" + entries + "]}";
}

std::string rds_warning_message(const std::vector<ExportSkipped>& skipped) {
  if (skipped.empty()) return {};
  std::string tables, databases;
  for (const ExportSkipped& item : skipped) {
    const bool table = item.what.find('.') != std::string::npos;
    std::string& list = table ? tables : databases;
    if (!list.empty()) list += ',';
    list += "{\"name\":" + json_string(item.what) + ",\"reason\":" + json_string(item.reason) + "}";
  }
  return "{\"skippedTables\":[" + tables + "],\"skippedObjectives\":[" + databases + "],\"general\":[]}";
}

}  // namespace coffer::jobs
