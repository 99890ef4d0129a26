// What an operator reads must name what an operator sees.
#include "bench/storm/exposition.hpp"
#include "tests/support/files.hpp"

#include <lido/metrics/collector.hpp>

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <filesystem>
#include <regex>
#include <string>

namespace {

const std::filesystem::path root{LIDO_SOURCE_DIR};

lido::storm::exposition everything() {
  lido::metrics::collector c;
  c.add("a", [] { return lido::pool_stats{}; });
  return lido::storm::exposition::parse(prometheus::TextSerializer{}.Serialize(c.Collect()));
}

TEST(operations_guide, names_every_family_and_every_label_value) {
  const std::string guide = lido::testing::read_file(root / "docs" / "operations.md");
  const auto e = everything();
  for (const auto& [family, type] : e.types()) EXPECT_NE(guide.find('`' + family + '`'), std::string::npos) << family;
  for (std::size_t i = 0; i < lido::close_reason_count; ++i) {
    const std::string reason{to_string(static_cast<lido::close_reason>(i))};
    EXPECT_NE(guide.find('`' + reason + '`'), std::string::npos) << reason;
  }
}

TEST(alert_rules, use_families_that_exist) {
  const std::string rules = lido::testing::read_file(root / "metrics" / "alerts" / "lido.rules.yml");
  const auto e = everything();
  const std::regex family{"(lido_[a-z_]+|db_client_[a-z_]+)"};
  std::size_t seen = 0;
  for (std::sregex_iterator at{rules.begin(), rules.end(), family}, end; at != end; ++at, ++seen) {
    EXPECT_TRUE(e.types().contains(at->str())) << at->str();
  }
  EXPECT_GT(seen, 10U);
}

}  // namespace
