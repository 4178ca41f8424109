#include <thread>

#include "services/catalog/database.h"
#include "services/catalog/catalogs.h"

namespace coffer::catalog {
namespace {

class DatabaseContract : public CatalogTest {
 protected:
  void SetUp() override {
    CatalogTest::SetUp();
    if (!database_) return;
    migrate(
        "CREATE TABLE t (\n  id BIGINT PRIMARY KEY,\n  name TEXT,\n  data {blob}\n);\n"
        "CREATE TABLE u (id BIGINT PRIMARY KEY, t BIGINT REFERENCES t (id), n BIGINT NOT NULL CHECK (n > 0));");
  }
};

TEST_P(DatabaseContract, ValuesComeBackAsTheyWent) {
  Bytes every_byte;
  for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<std::byte>(i));
  change("INSERT INTO t (id, name, data) VALUES ($1, $2, $3)",
         {std::numeric_limits<int64_t>::min(), "Gr\xc3\xbc\xc3\x9f' \"\\ $1 %s\n", every_byte});
  change("INSERT INTO t (id, name, data) VALUES ($1, $2, $3)", {std::numeric_limits<int64_t>::max(), "", Bytes()});
  change("INSERT INTO t (id, name, data) VALUES ($1, $2, $3)", {0, nullptr, nullptr});

  const Rows rows = must(read()->run("SELECT id, name, data FROM t ORDER BY id"));

  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].integer(0), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(rows[0].text(1), "Gr\xc3\xbc\xc3\x9f' \"\\ $1 %s\n");
  EXPECT_EQ(rows[0].blob(2), every_byte);
  EXPECT_TRUE(rows[1].is_null(1));
  EXPECT_TRUE(rows[1].is_null(2));
  EXPECT_EQ(rows[1].text_if(1), std::nullopt);
  EXPECT_EQ(rows[2].integer(0), std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(rows[2].is_null(1));
  EXPECT_FALSE(rows[2].is_null(2));
  EXPECT_EQ(rows[2].text_if(1), "");
}
COFFER_ON_EVERY_CATALOG(DatabaseContract);

}  // namespace
}  // namespace coffer::catalog
