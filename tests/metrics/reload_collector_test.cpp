#include <lido/metrics/reload_collector.hpp>

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

namespace {

TEST(reload_collector, tells_whether_the_file_was_taken) {
  lido::reload_stats stats;
  stats.last_ok = false;
  stats.last_success = std::chrono::system_clock::time_point(std::chrono::seconds(1700000000));
  stats.successes = 3;
  stats.failures = 2;
  stats.sink_errors = 4;
  const lido::metrics::reload_collector c([&]() -> std::optional<lido::reload_stats> { return stats; });
  const std::string text = prometheus::TextSerializer{}.Serialize(c.Collect());
  for (const std::string_view line :
       {"lido_config_reload_success 0\n", "lido_config_last_reload_success_timestamp_seconds 1700000000",
        "lido_config_reloads_total{result=\"ok\"} 3", "lido_config_reloads_total{result=\"refused\"} 2",
        "lido_config_sink_errors_total 4"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
  const lido::metrics::reload_collector gone([] { return std::optional<lido::reload_stats>{}; });
  EXPECT_TRUE(gone.Collect().empty());
}

}  // namespace
