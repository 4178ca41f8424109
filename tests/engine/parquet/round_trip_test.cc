// Every kind of value goes into Parquet and out of it as it was: the server's digests and those of the file agree.
#include "engine/parquet/table_world.h"

namespace coffer::parquet {

namespace {

// A table of one column for each line: its type, and values.
struct Case {
  const char* name;
  const char* type;
  const char* values;  // of VALUES, each in parentheses
  bool native_in_typed;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"booleans", "bool", "(true), (false), (NULL)", true},
      {"smallints", "int2", "(-32768), (32767), (0), (NULL)", true},
      {"integers", "int4", "(-2147483648), (2147483647), (0), (NULL)", true},
      {"bigints", "int8", "(-9223372036854775808), (9223372036854775807), (0), (NULL)", true},
      {"reals", "float4", "('NaN'), ('Infinity'), ('-Infinity'), (1.1754944e-38), (3.4028235e38), ('-0'), (NULL)",
       true},
      {"doubles", "float8",
       "('NaN'), ('Infinity'), ('-Infinity'), (5e-324), (1.7976931348623157e308), ('-0'), (0.1), (NULL)", true},
      {"texts", "text", "(''), ('Grüße, 世界 🌍'), (repeat('long ', 5000)), (E'\\n\\t\\\\'), (NULL)", true},
      {"varchars", "varchar(5)", "('abcde'), (''), (NULL)", true},
      {"chars", "char(6)", "('ab'), ('      '), ('x  y'), (NULL)", true},
      {"names", "name", "('a name'), (''), (NULL)", true},
      {"byteas", "bytea", "('\\x00ff'), (''), ('\\xdeadbeef'), (NULL)", true},
      {"numerics_2", "numeric(10,2)", "(-99999999.99), (99999999.99), (0), (0.05), (1.10), (10000), (NULL)", true},
      {"numerics_38", "numeric(38,37)",
       "(9.9999999999999999999999999999999999999), (-9.9999999999999999999999999999999999999), "
       "(0.0000000000000000000000000000000000001), (NULL)",
       true},
      {"numerics_38_0", "numeric(38,0)",
       "(99999999999999999999999999999999999999), (-99999999999999999999999999999999999999), (10000), (0)", true},
      {"numerics_nan", "numeric(10,2)", "('NaN'), (1.5), (NULL)", true},
      {"numerics_free", "numeric", "(1.0), (1.00), (1e100), ('NaN'), (-0.000000000000001), (NULL)", false},
      {"numerics_wide", "numeric(1000,500)", "(1), (-1e-500), (9e499), (NULL)", false},
      {"moneys", "money", "(-92233720368547758.08::numeric), (12.34::numeric), (NULL)", false},
      {"dates", "date",
       "('4713-01-01 BC'), ('5874897-12-31'), ('infinity'), ('-infinity'), ('1969-12-31'), ('2000-01-01'), (NULL)",
       true},
      {"times", "time", "('00:00'), ('23:59:59.999999'), (NULL)", true},
      {"midnights", "time", "('24:00'), ('12:00')", true},
      {"timetzs", "timetz", "('12:00+05:30'), ('00:00-15:59'), (NULL)", false},
      {"timestamps", "timestamp",
       "('4713-01-01 00:00:00 BC'), ('infinity'), ('-infinity'), ('1969-12-31 23:59:59.999999'), ('9999-12-31'), "
       "(NULL)",
       true},
      {"late_timestamps", "timestamp", "('294276-12-31 23:59:59.999999'), ('2000-01-01'), (NULL)", true},
      {"timestamptzs", "timestamptz", "('2026-11-24 12:00:00+02'), ('infinity'), ('0044-03-15 BC'), (NULL)", true},
      {"intervals", "interval",
       "('178000000 years'), ('-178000000 years'), ('1 mon -1 day 00:00:00.000001'), ('0'), (NULL)", true},
      {"uuids", "uuid", "('00000000-0000-0000-0000-000000000000'), ('ffffffff-ffff-ffff-ffff-ffffffffffff'), (NULL)",
       true},
      {"jsons", "json", "('{\"a\":  [1, null]}'), ('null'), ('\"\"'), (NULL)", true},
      {"jsonbs", "jsonb", "('{\"a\":  [1, null]}'), ('null'), ('[]'), (NULL)", true},
      {"xmls", "xml", "('<a>b</a>'), ('text'), (NULL)", false},
      {"oids", "oid", "(0), (4294967295), (NULL)", true},
      {"regclasses", "regclass", "('pg_class'), (NULL)", false},
      {"inets", "inet", "('1.2.3.4'), ('10.0.0.0/8'), ('::1'), (NULL)", false},
      {"cidrs", "cidr", "('10.0.0.0/8'), (NULL)", false},
      {"macs", "macaddr", "('08:00:2b:01:02:03'), (NULL)", false},
      {"bits", "bit(3)", "('101'), (NULL)", false},
      {"varbits", "varbit", "('1'), (''), ('10101010101'), (NULL)", false},
      {"vectors", "tsvector", "('a fat cat'), (''), (NULL)", false},
      {"queries", "tsquery", "('fat & rat'), (NULL)", false},
      {"points", "point", "('(1,2)'), ('(NaN,Infinity)'), (NULL)", false},
      {"circles", "circle", "('<(1,2),3>'), (NULL)", false},
      {"lsns", "pg_lsn", "('0/0'), ('FFFFFFFF/FFFFFFFF'), (NULL)", false},
      {"chars_1", "\"char\"", "('a'), (NULL)", false},
      {"int_arrays", "int4[]", "('{1,2,NULL}'), ('{}'), ('{NULL}'), ('{5}'), (NULL)", true},
      {"matrixes", "int4[]", "('{{1,2},{3,4}}'), ('{1}'), (NULL)", true},
      {"shifted_arrays", "int4[]", "('[0:1]={1,2}'), (NULL)", true},
      {"text_arrays", "text[]", "('{a,\"b,c\",NULL,\"\"}'), ('{}'), (NULL)", true},
      {"numeric_arrays", "numeric(6,3)[]", "('{1.5,-2}'), (NULL)", true},
      {"inet_arrays", "inet[]", "('{1.2.3.4}'), (NULL)", false},
      {"int_ranges", "int4range", "('[1,5)'), ('empty'), ('(,)'), ('[3,)'), ('(,7)'), (NULL)", true},
      {"num_ranges", "numrange", "('(1.5,2.5]'), (NULL)", false},
      {"time_ranges", "tstzrange", "('[2026-01-01 00:00+00,infinity)'), ('[-infinity,)'), ('empty'), (NULL)", true},
      {"int_multiranges", "int8multirange", "('{[1,3),[5,7)}'), ('{}'), (NULL)", true},
      {"enums", "mood", "('sad'), ('happy'), ('it''s ok'), (NULL)", true},
      {"enum_arrays", "mood[]", "('{sad,happy}'), (NULL)", true},
      {"composites", "pair", "('(1,a)'), ('(,)'), ('(2,)'), (NULL)", true},
      {"composite_arrays", "pair[]", "('{\"(1,a)\",\"(,)\",NULL}'), ('{}'), (NULL)", true},
      {"nests", "nest", "(ROW(ROW(1,'x')::pair, '{1,2}', '[1,2]')::nest), (ROW(NULL,NULL,NULL)::nest), (NULL)", true},
      {"domains", "positive", "(1), (2147483647), (NULL)", true},
      {"domain_arrays", "positive[]", "('{1,2}'), (NULL)", true},
      {"domains_of_arrays", "few", "('{1,2}'), (NULL)", true},
      {"domains_of_numeric", "amount", "(1.5), (NULL)", true},
  };
  return all;
}

class RoundTrip : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    COFFER_NEED_POSTGRES(GetParam());
    server_ = TestServer::create({.major = GetParam(), .initdb_args = {"--encoding=UTF8", "--no-locale"}});
    std::string sql =
        "CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy'); CREATE TYPE pair AS (n int4, t text);"
        "CREATE TYPE nest AS (p pair, a int8[], r int4range);"
        "CREATE DOMAIN positive AS int4 CHECK (value > 0); CREATE DOMAIN few AS int4[]; "
        "CREATE DOMAIN amount AS numeric(8,3);";
    server_->sql(sql);
    for (const Case& c : cases()) {
      sql = "CREATE TABLE " + std::string(c.name) + " (v " + c.type + ", n int4 GENERATED ALWAYS AS IDENTITY); ";
      sql += "INSERT INTO " + std::string(c.name) + " (v) SELECT v::" + c.type + " FROM (VALUES " + c.values +
             ") AS x(v); ";
      auto made = server_->connect()->query({}, sql);
      if (made.ok()) {
        cases_.push_back(c);
      } else {
        // Not every server is built with libxml.
        ASSERT_NE(made.error().message.find("libxml"), std::string::npos) << made.error().message;
      }
    }
    connection_ = open_session(*server_);
    database_ = must(read_database({}, *connection_, "postgres"));
  }
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<postgres::Connection> connection_;
  SourceDatabase database_;
  std::vector<Case> cases_;  // that this server can have
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Majors, RoundTrip, ::testing::Values(15, 17, 18));

TEST_P(RoundTrip, EachTypeHasEqualDigestsInTheServerAndInTheFileInBothLayouts) {
  for (const Case& c : cases_) {
    for (Layout layout : {Layout::kRds, Layout::kTyped}) {
      SCOPED_TRACE(std::string(c.name) + (layout == Layout::kRds ? " rds" : " typed"));
      auto out = export_table(*connection_, database_, table_named(database_, c.name), layout);
      EXPECT_EQ(difference(out->by_sql, out->by_parquet, out->plan.column_names()), "");
      EXPECT_GT(out->by_sql.rows, 0U);
      EXPECT_EQ(out->totals.rows, out->by_sql.rows);
      if (layout == Layout::kTyped) {
        EXPECT_EQ(is_native(out->plan.columns[0].source.type, layout), c.native_in_typed);
      }
    }
  }
}

TEST_P(RoundTrip, OnlyColumnsWithValuesThatTheirTypeCannotHoldBecomeText) {
  const std::set<std::string> expected = {"numerics_nan", "midnights", "late_timestamps", "matrixes", "shifted_arrays"};
  for (const Case& c : cases_) {
    auto out = export_table(*connection_, database_, table_named(database_, c.name), Layout::kTyped);
    EXPECT_EQ(out->widened.empty(), !expected.contains(c.name)) << c.name;
  }
}

TEST_P(RoundTrip, ATableWithoutRowsIsAFileWithAllColumns) {
  server_->sql("CREATE TABLE nothing (a int4, b text[], c numeric(5,2), d mood)");
  database_ = must(read_database({}, *connection_, "postgres"));
  for (Layout layout : {Layout::kRds, Layout::kTyped}) {
    auto out = export_table(*connection_, database_, table_named(database_, "nothing"), layout);
    EXPECT_EQ(out->by_parquet, out->by_sql);
    EXPECT_EQ(out->by_parquet.rows, 0U);
    EXPECT_EQ(out->by_parquet.columns.size(), 4U);
  }
}

TEST_P(RoundTrip, TheHashIsThatOfTheServer) {
  for (const std::string text : {"", "a", "four", "12345678", "123456789", "twelve chars", "exactly thirteen and more"})
    for (uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{0x123456789abcdef}})
      EXPECT_EQ(server_->value("SELECT hashtextextended('" + text + "' COLLATE \"C\", " + std::to_string(seed) + ")"),
                std::to_string(static_cast<int64_t>(hash_bytes(as_bytes(text), seed))))
          << text << " " << seed;
}

}  // namespace coffer::parquet
