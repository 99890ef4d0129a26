// A scrape over HTTP as Prometheus does it, judged by Prometheus' own linter.

#include "bench/storm/exposition.hpp"
#include "tests/metrics/promtool.hpp"
#include "tests/support/loopback.hpp"

#include <lido/metrics/collector.hpp>

#include <gtest/gtest.h>
#include <prometheus/exposer.h>

#include <memory>
#include <string>

namespace {

TEST(I23_scrape, over_http_is_parsed_and_accepted_by_promtool) {
  const auto collector = std::make_shared<lido::metrics::collector>();
  collector->add("orders", [] {
    lido::pool_stats s;
    s.max_size = 10;
    s.cancels.requested = 12;
    s.fence_time.counts[20] = 12;
    return s;
  });
  collector->add("billing", [] { return lido::pool_stats{}; });
  prometheus::Exposer exposer{"127.0.0.1:0", 1};
  exposer.RegisterCollectable(collector);
  const auto port = static_cast<std::uint16_t>(exposer.GetListeningPorts().front());

  const std::string body = lido::testing::http_get("127.0.0.1", port, "/metrics").body;
  const auto e = lido::storm::exposition::parse(body);
  EXPECT_EQ(e.value("lido_cancels_requested_total", {{"pool_name", "orders"}}), 12);
  EXPECT_EQ(e.value("lido_cancels_requested_total", {{"pool_name", "billing"}}), 0);
  EXPECT_EQ(e.types().at("lido_fence_seconds"), "histogram");
  EXPECT_EQ(lido::testing::promtool_check_metrics(body), "");
}

TEST(I23_scrape, promtool_would_have_complained) {
  EXPECT_NE(lido::testing::promtool_check_metrics("# HELP a_count x\n# TYPE a_count gauge\na_count 1\n"), "");
}

}  // namespace
