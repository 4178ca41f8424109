// A server with tables of every kind of value, and a way through Parquet and back.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/parquet/catalog.h"
#include "engine/parquet/part_reader.h"
#include "engine/parquet/part_writer.h"
#include "engine/parquet/table_plan.h"
#include "support/memory_file.h"
#include "support/postgres_server.h"
#include "support/vault_world.h"

namespace coffer::parquet {

using testing_support::MemoryFile;
using testing_support::must;
using testing_support::TestServer;

struct Exported {
  TablePlan plan;
  TableDigest by_sql, by_parquet;
  PartTotals totals;
  MemoryFile file;
  std::vector<std::string> widened;
};

/// A session as exports have it.
inline std::unique_ptr<postgres::Connection> open_session(const TestServer& server,
                                                          const std::string& database = "postgres") {
  auto connection = server.connect(database);
  must(connection->query({}, session_settings()));
  return connection;
}

inline const SourceTable& table_named(const SourceDatabase& database, const std::string& name) {
  for (const SourceTable& table : database.tables)
    if (table.name == name) return table;
  throw std::runtime_error("no table " + name);
}

/// The whole way of one table, with columns widened as often as values ask for it.
inline std::unique_ptr<Exported> export_table(postgres::Connection& connection, const SourceDatabase& database,
                                              const SourceTable& table, Layout layout, PartWriterOptions options = {}) {
  auto out = std::make_unique<Exported>();
  out->plan = plan_table(database, table, layout);
  const Context context;
  while (true) {
    out->file.bytes.clear();
    auto writer = must(PartWriter::open(context, out->plan, out->file, options));
    std::optional<Error> failure;
    must(connection.copy_out(context, copy_command(out->plan, table.parts.at(0), {}),
                             {.on_rows = {},
                              .on_copy_begin = {},
                              .on_copy_data =
                                  [&](ByteView data) {
                                    if (failure) return ok_status();
                                    auto added = writer->add(data);
                                    if (!added.ok()) failure = added.error();
                                    return ok_status();
                                  },
                              .on_notice = {}},
                             nullptr));
    if (failure && writer->misfit()) {
      out->widened.push_back(out->plan.columns[*writer->misfit()].source.name);
      if (!widen(out->plan, *writer->misfit())) throw std::runtime_error(failure->message);
      continue;
    }
    if (failure) throw std::runtime_error(failure->message);
    out->totals = must(writer->finish());
    break;
  }
  out->by_sql = must(
      digest_of_answer(out->plan, must(connection.query(context, digest_query(out->plan, table.parts.at(0), {})))));
  out->by_parquet = must(digest_part(context, out->plan, out->file));
  return out;
}

}  // namespace coffer::parquet
