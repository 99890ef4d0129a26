// What an operator reads must name what an operator sees.
#include "bench/storm/exposition.hpp"
#include "tests/support/files.hpp"

#include <lido/metrics/collector.hpp>
#include <lido/metrics/reload_collector.hpp>

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace {

const std::filesystem::path root{LIDO_SOURCE_DIR};

// With what is there only when somebody asked for it: tags, several hosts.
lido::pool_stats all_of_it() {
  lido::pool_stats s;
  s.tags.resize(1);
  s.tags[0].name = "checkout";
  s.endpoints.resize(2);
  return s;
}

std::vector<prometheus::MetricFamily> all_families() {
  lido::metrics::collector c;
  c.add("a", all_of_it);
  std::vector<prometheus::MetricFamily> all = c.Collect();
  for (auto& f : lido::metrics::reload_collector([] { return lido::reload_stats{}; }).Collect())
    all.push_back(std::move(f));
  return all;
}

lido::storm::exposition everything() {
  return lido::storm::exposition::parse(prometheus::TextSerializer{}.Serialize(all_families()));
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
  for (std::sregex_iterator at{rules.begin(), rules.end(), family}, end; at != end; ++at) {
    const std::string whole = at->str();
    if (whole == "lido_test") continue;  // the file next to it
    const bool is_part = whole.ends_with("_bucket") || whole.ends_with("_count") || whole.ends_with("_sum");
    EXPECT_TRUE(e.types().contains(is_part ? whole.substr(0, whole.rfind('_')) : whole)) << whole;
    ++seen;
  }
  EXPECT_GT(seen, 10U);
}

// The table of families as docs/metrics.md has it.
std::string table_of_families() {
  const auto e = everything();
  std::string table = "\n| family | type | labels | what it says |\n|---|---|---|---|\n";
  for (const auto& family : all_families()) {
    std::string labels;
    for (const auto& m : family.metric) {
      for (const auto& label : m.label) {
        if (label.name != "pool_name" && labels.find("`" + label.name + "`") == std::string::npos) {
          labels += (labels.empty() ? "`" : ", `") + label.name + "`";
        }
      }
    }
    table += "| `" + family.name + "` | " + e.types().at(family.name) + " | " + labels + " | " + family.help + " |\n";
  }
  return table;
}

TEST(reference, has_every_family_in_the_words_of_the_exposition) {
  const auto file = root / "docs" / "metrics.md";
  std::string page = lido::testing::read_file(file);
  const std::size_t begin = page.find("-->\n", page.find("<!-- families: made by")) + 4;
  const std::size_t end = page.find("<!-- families: end -->");
  ASSERT_TRUE(begin <= end && end != std::string::npos);
  const std::string table = table_of_families() + "\n";
  if (std::getenv("LIDO_UPDATE_DOCS") != nullptr) {
    lido::testing::write_file(file, page.substr(0, begin) + table + page.substr(end));
    return;
  }
  EXPECT_EQ(page.substr(begin, end - begin), table)
      << "make it anew: LIDO_UPDATE_DOCS=1 metrics_test --gtest_filter=reference.*";
}

TEST(reference, every_name_of_opentelemetry_is_exposed_or_the_page_says_why_not) {
  const std::string page = lido::testing::read_file(root / "docs" / "metrics.md");
  const auto e = everything();
  struct row {
    const char* theirs;
    const char* ours;  // nullptr: left out, with a reason
  };
  for (const row& r : {row{"connection.count", "db_client_connections"},
                       {"connection.max", "db_client_connection_max"},
                       {"connection.idle.min", "db_client_connection_idle_min"},
                       {"connection.idle.max", nullptr},
                       {"connection.pending_requests", "db_client_connection_pending_requests"},
                       {"connection.timeouts", "db_client_connection_timeouts_total"},
                       {"connection.create_time", "db_client_connection_create_time_seconds"},
                       {"connection.wait_time", "db_client_connection_wait_time_seconds"},
                       {"connection.use_time", "db_client_connection_use_time_seconds"},
                       {"operation.duration", nullptr},
                       {"response.returned_rows", nullptr}}) {
    const std::size_t at = page.find('`' + std::string{r.theirs} + '`');
    ASSERT_NE(at, std::string::npos) << r.theirs;
    const std::string line = page.substr(at, page.find('\n', at) - at);
    if (r.ours != nullptr) {
      EXPECT_TRUE(e.types().contains(r.ours)) << r.ours;
      EXPECT_NE(line.find('`' + std::string{r.ours} + '`'), std::string::npos) << line;
    } else {
      EXPECT_NE(line.find("not there"), std::string::npos) << line;
    }
  }
}

// What stands behind `key:` in each rule that begins with `- alert:`.
TEST(alert_rules, tell_what_it_means_what_to_look_at_and_what_to_do_and_are_tested) {
  const std::string rules = lido::testing::read_file(root / "metrics" / "alerts" / "lido.rules.yml");
  const std::string tests = lido::testing::read_file(root / "metrics" / "alerts" / "lido_test.yml");
  const std::string mark = "- alert: ";
  std::size_t seen = 0;
  for (std::size_t at = rules.find(mark); at != std::string::npos; ++seen) {
    const std::size_t next = rules.find(mark, at + 1);
    const std::string rule = rules.substr(at + mark.size(), next == std::string::npos ? next : next - at);
    const std::string name = rule.substr(0, rule.find('\n'));
    for (const char* part : {"severity: ", "summary: ", "description: ", "runbook: ", "Means: ", "Look at: ", "Do: "}) {
      EXPECT_NE(rule.find(part), std::string::npos) << name << " lacks " << part;
    }
    EXPECT_NE(tests.find("alertname=\"" + name + "\""), std::string::npos) << name << " has no test in lido_test.yml";
    at = next;
  }
  EXPECT_GE(seen, 12U);
}

TEST(S13_families, keep_the_rules_of_prometheus_and_say_what_to_do) {
  const auto e = everything();
  for (const auto& [name, type] : e.types()) {
    EXPECT_TRUE(name.starts_with("lido_") || name.starts_with("db_client_")) << name;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << name << " is a " << type;
    EXPECT_TRUE(type != "histogram" || name.ends_with("_seconds") || name.ends_with("_bytes")) << name;
    for (const char* unit : {"_ms", "_milliseconds", "_us", "_ns", "_kb", "_count", "_sum", "_bucket"}) {
      EXPECT_FALSE(name.ends_with(unit)) << name;
    }
    EXPECT_GT(e.help().at(name).size(), 25U) << name << ": who is woken up by it needs more words";
    EXPECT_TRUE(e.help().at(name).ends_with(".")) << name;
  }
}

TEST(S13_families, a_pool_has_a_bounded_number_of_series) {
  lido::metrics::collector c;
  c.add("a", [] { return lido::pool_stats{}; });
  std::size_t series = 0;
  for (const auto& family : c.Collect()) {
    for (const auto& m : family.metric) {
      series += std::max<std::size_t>(1, m.histogram.bucket.size());
      EXPECT_LE(m.label.size(), 3U) << family.name;
    }
  }
  EXPECT_LT(series, 500U);
}

}  // namespace
