#include "bench/storm/exposition.hpp"

#include <lido/driver/error.hpp>
#include <lido/metrics/collector.hpp>

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <set>
#include <stdexcept>
#include <string>

namespace {

using lido::metrics::collector;
using lido::storm::exposition;
using namespace std::chrono_literals;

exposition scrape(const collector& c) { return exposition::parse(prometheus::TextSerializer{}.Serialize(c.Collect())); }

lido::pool_stats some_stats() {
  lido::pool_stats s;
  s.idle = 3;
  s.leased = 2;
  s.recovering = 1;
  s.waiting = 7;
  s.max_size = 10;
  s.cancels.by_channel[0].sent = 40;
  s.cancels.by_channel[1].sent = 1;
  s.cancels.by_channel[0].failed[static_cast<std::size_t>(lido::cancel_phase::tls)] = 5;
  s.cancels.control[static_cast<std::size_t>(lido::control_state::ready)] = 1;
  s.cancels.suppressed[static_cast<std::size_t>(lido::cancel_suppression::overtaken)] = 6;
  s.closed[static_cast<std::size_t>(lido::close_reason::cancel_unknown)] = 4;
  s.wait_time.counts[0] = 2;  // up to 1 us
  s.wait_time.sum = 2us;
  return s;
}

TEST(I23_collector, renders_what_the_pool_counted) {
  collector c;
  c.add("orders", [] { return some_stats(); });
  const exposition e = scrape(c);
  EXPECT_EQ(e.value("db_client_connections", {{"pool_name", "orders"}, {"state", "idle"}}), 3);
  EXPECT_EQ(e.value("db_client_connections", {{"state", "used"}}), 2);
  EXPECT_EQ(e.value("db_client_connections", {{"state", "recovering"}}), 1);
  EXPECT_EQ(e.value("db_client_connection_pending_requests"), 7);
  EXPECT_EQ(e.value("db_client_connection_max"), 10);
  EXPECT_EQ(e.value("lido_cancels_sent_total", {{"channel", "request"}}), 40);
  EXPECT_EQ(e.value("lido_cancels_sent_total", {{"channel", "session"}}), 1);
  EXPECT_EQ(e.value("lido_control_sessions", {{"state", "ready"}}), 1);
  EXPECT_EQ(e.value("lido_cancels_failed_total", {{"channel", "request"}, {"phase", "tls"}}), 5);
  EXPECT_EQ(e.value("lido_cancels_suppressed_total", {{"reason", "overtaken"}}), 6);
  EXPECT_EQ(e.value("lido_connections_closed_total", {{"reason", "cancel_unknown"}}), 4);
  EXPECT_EQ(e.value("db_client_connection_wait_time_seconds_count"), 2);
  EXPECT_EQ(e.value("db_client_connection_wait_time_seconds_bucket", {{"le", "+Inf"}}), 2);
  EXPECT_EQ(e.value("lido_fence_seconds_count"), 0);
}

TEST(I23_collector, labels_come_from_fixed_sets_and_are_there_before_anything_happened) {
  collector c;
  c.add("a", [] { return lido::pool_stats{}; });
  const exposition e = scrape(c);
  EXPECT_EQ(e.all("lido_connections_closed_total").size(), lido::close_reason_count);
  EXPECT_EQ(e.all("lido_acquires_refused_total").size(), lido::acquire_refusal_count);
  EXPECT_EQ(e.all("lido_waiting_tasks").size(), 3U);
  EXPECT_EQ(e.all("lido_pool_resets_total").size(), lido::reset_kind_count);
  EXPECT_EQ(e.all("lido_cancels_suppressed_total").size(), lido::cancel_suppression_count);
  EXPECT_EQ(e.all("lido_cancels_failed_total").size(), lido::cancel_channel_count * lido::cancel_phase_count);
  EXPECT_EQ(e.all("lido_control_sessions").size(), lido::control_state_count);
  std::set<std::string> reasons;
  for (const auto& s : e.all("lido_connections_closed_total")) reasons.insert(s.labels.at("reason"));
  EXPECT_EQ(reasons.size(), lido::close_reason_count);
  EXPECT_FALSE(reasons.contains("unspecified"));
}

TEST(I23_collector, hosts_are_series_of_their_own_when_there_are_several) {
  lido::pool_stats s;
  s.endpoints = {{.role = lido::endpoint_role::primary,
                  .state = lido::endpoint_state::up,
                  .preferred = true,
                  .connections = 3,
                  .lag = 0ns},
                 {.role = lido::endpoint_role::standby, .state = lido::endpoint_state::barred, .lag = 1500ms},
                 {}};
  collector c;
  c.add("a", [s] { return s; });
  c.add("b", [] { return lido::pool_stats{}; });
  const exposition e = scrape(c);
  EXPECT_EQ(e.all("lido_endpoint_connections").size(), 3U) << "a pool of one host has none";
  EXPECT_EQ(e.value("lido_endpoint_connections", {{"pool_name", "a"}, {"endpoint", "0"}}), 3);
  EXPECT_EQ(e.value("lido_endpoint_state", {{"endpoint", "0"}}), 1);
  EXPECT_EQ(e.value("lido_endpoint_state", {{"endpoint", "1"}}), 3);
  EXPECT_EQ(e.value("lido_endpoint_state", {{"endpoint", "2"}}), 0);
  EXPECT_EQ(e.value("lido_endpoint_role", {{"endpoint", "1"}}), 2);
  EXPECT_EQ(e.value("lido_endpoint_preferred", {{"endpoint", "0"}}), 1);
  EXPECT_EQ(e.value("lido_endpoint_preferred", {{"endpoint", "1"}}), 0);
  EXPECT_EQ(e.value("lido_endpoint_lag_seconds", {{"endpoint", "1"}}), 1.5);
  EXPECT_TRUE(std::isnan(e.value("lido_endpoint_lag_seconds", {{"endpoint", "2"}}).value())) << "not known is not 0";
}

TEST(I23_collector, tags_are_series_of_their_own_once_there_are_some) {
  const auto scraped = [](lido::pool_stats s) {
    collector c;
    c.add("a", [s] { return s; });
    return scrape(c);
  };
  EXPECT_TRUE(scraped({}).all("lido_tag_acquires_total").empty());
  lido::pool_stats s;
  s.tags.push_back({"checkout", 3, {}, {}});
  s.tags.push_back({"other", 0, {}, {}});
  EXPECT_EQ(scraped(s).all("lido_tag_failures_total").size(), 2U);
}

TEST(I23_collector, two_pools_are_two_series_of_one_family) {
  collector c;
  c.add("a", [] { return some_stats(); });
  c.add("b", [] { return some_stats(); });
  const exposition e = scrape(c);
  EXPECT_EQ(e.all("lido_cancels_sent_total").size(), 2 * lido::cancel_channel_count);
  EXPECT_EQ(e.sum("lido_cancels_sent_total"), 82);
}

TEST(I23_collector, histogram_buckets_are_cumulative) {
  collector c;
  c.add("a", [] {
    lido::pool_stats s;
    s.fence_time.counts.fill(1);
    return s;
  });
  const exposition e = scrape(c);
  double last = 0;
  for (const auto& bucket : e.all("lido_fence_seconds_bucket")) {
    EXPECT_GE(bucket.value, last);
    last = bucket.value;
  }
  EXPECT_EQ(last, static_cast<double>(lido::histogram_snapshot::bound_count + 1));
  EXPECT_EQ(e.value("lido_fence_seconds_count"), last);
}

TEST(I23_collector, every_family_tells_an_operator_something) {
  collector c;
  c.add("a", [] { return lido::pool_stats{}; });
  const exposition e = scrape(c);
  for (const auto& [name, text] : e.help()) EXPECT_GT(text.size(), 20U) << name;
}

TEST(I23_collector, a_pool_that_is_gone_is_forgotten) {
  collector c;
  auto life = std::make_shared<int>(0);
  c.add("a", [weak = std::weak_ptr{life}]() -> std::optional<lido::pool_stats> {
    if (weak.lock()) return lido::pool_stats{};
    return std::nullopt;
  });
  EXPECT_EQ(scrape(c).all("lido_acquires_total").size(), 1U);
  life.reset();
  EXPECT_TRUE(scrape(c).all("lido_acquires_total").empty());
  c.add("a", [] { return lido::pool_stats{}; });  // its name is free again
  EXPECT_EQ(scrape(c).all("lido_acquires_total").size(), 1U);
}

TEST(I27_collector, a_throwing_source_spoils_only_its_own_pool) {
  collector c;
  c.add("bad", []() -> std::optional<lido::pool_stats> { throw std::runtime_error("no"); });
  c.add("good", [] { return some_stats(); });
  const exposition e = scrape(c);
  EXPECT_EQ(e.value("lido_cancels_sent_total", {{"pool_name", "good"}, {"channel", "request"}}), 40);
  EXPECT_EQ(e.value("lido_scrape_errors_total"), 1);
  EXPECT_EQ(scrape(c).value("lido_scrape_errors_total"), 2);
}

TEST(I27_collector, a_source_may_use_the_collector_itself) {
  collector c;
  c.add("a", [&c] {
    c.remove("b");
    return lido::pool_stats{};
  });
  c.add("b", [] { return lido::pool_stats{}; });
  EXPECT_EQ(scrape(c).all("lido_acquires_total").size(), 2U);  // this scrape had begun
  EXPECT_EQ(scrape(c).all("lido_acquires_total").size(), 1U);
}

class I23_pool_name : public testing::TestWithParam<std::string> {};

TEST_P(I23_pool_name, that_could_break_the_exposition_is_refused) {
  collector c;
  c.add("taken", [] { return lido::pool_stats{}; });
  try {
    c.add(GetParam(), [] { return lido::pool_stats{}; });
    FAIL() << "accepted";
  } catch (const lido::error& e) {
    EXPECT_EQ(e.code(), lido::errc::invalid_config);
  }
}

INSTANTIATE_TEST_SUITE_P(names, I23_pool_name,
                         testing::Values("", "taken", "with space", "quote\"", "line\nbreak", "\xc3\xa4", "db-1",
                                         std::string(65, 'x')));

}  // namespace
