// /pools.json and the verdict of /healthz: the shape that docs/metrics.md promises.
#include "metrics/pools_json.hpp"

#include "metrics/families.hpp"
#include "metrics/health.hpp"
#include "metrics/json.hpp"
#include "tests/support/files.hpp"
#include "tests/support/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace lido::metrics;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

std::string json_of(std::string_view text) {
  json_writer w;
  w.text(text);
  return std::move(w).take();
}

TEST(S15_json, nothing_in_a_text_can_break_out_of_it_or_of_a_page) {
  EXPECT_EQ(json_of("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(json_of("</script><b>&"), R"("\u003c/script\u003e\u003cb\u003e\u0026")");
  EXPECT_EQ(json_of(std::string_view("\0\x1f\x7f\n", 4)), R"("\u0000\u001f\u007f\u000a")");
  EXPECT_EQ(json_of("\xc3\xa4\xf0\x9f\x99\x82"), "\"\xc3\xa4\xf0\x9f\x99\x82\"");
  for (const char* bad :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3", "\xe2\x82", "\xf5\x80\x80\x80"}) {
    EXPECT_THAT(json_of(bad), HasSubstr("\\ufffd")) << testing::PrintToString(bad);
  }
}

TEST(S15_json, numbers_are_finite_and_whole_ones_look_whole) {
  json_writer w;
  w.begin_array().number(3).number(0.25).number(std::numeric_limits<double>::infinity()).number(1e15).end_array();
  EXPECT_EQ(std::move(w).take(), "[3,0.25,null,1e+15]");
}

std::vector<pool_sample> two_pools() {
  lido::pool_stats s;
  s.idle = 3;
  s.leased = 2;
  s.max_size = 10;
  s.waiting = 7;
  s.cancels.by_channel[0].failed[static_cast<std::size_t>(lido::cancel_phase::tls)] = 5;
  s.wait_time.counts[0] = 2;
  s.wait_time.counts[lido::histogram_snapshot::bound_count] = 1;
  s.wait_time.sum = 1s;
  return {{"orders", s, std::nullopt}, {"billing", lido::pool_stats{}, std::nullopt}};
}

lido::lease_holder holder(std::string tag, std::chrono::nanoseconds held) {
  lido::lease_holder h;
  h.tag = std::move(tag);
  h.held = held;
  h.backend_pid = 4711;
  h.place = std::source_location::current();
  return h;
}

// As pool::holders() has them: those longest in use first.
std::vector<pool_holders> some_holders() {
  pool_holders orders{"orders", {holder("</script><b>", 4200ms), holder("", 1ms)}};
  orders.holders[1].state = lido::holding::recovering;
  orders.holders[1].place = {};
  pool_holders billing{"billing", {}};
  for (int i = 0; i < 1000; ++i) billing.holders.push_back(holder("import", 1s));
  return {orders, billing};
}

std::string document() {
  pools_json_frame frame;
  frame.unix_ms = 1'700'000'000'123;
  frame.monotonic_ms = 5;
  frame.reason = "ready";
  return pools_json(render(two_pools(), resolution::every_bucket), frame, some_holders());
}

// The document as another program reads it: prints what the expression over `d` says.
std::string asked(const std::string& expression) {
  const lido::testing::temporary_folder folder{"lido-json-"};
  const std::string file = folder.path() / "pools.json";
  lido::testing::write_file(file, document());
  const auto r = lido::testing::run_process(
      {"/bin/sh", "-c",
       "exec python3 -c 'import json,sys;d=json.load(open(sys.argv[1]));print(" + expression + ")' " + file});
  return r.status == 0 ? r.output.substr(0, r.output.find('\n')) : r.errors;
}

TEST(I23_pools_json, has_the_documented_shape) {
  EXPECT_EQ(asked("d[\"version\"], d[\"unix_ms\"], d[\"ready\"], d[\"reason\"]"), "1 1700000000123 True ready");
  EXPECT_EQ(asked("[p[\"name\"] for p in d[\"pools\"]]"), "['orders', 'billing']");
  EXPECT_EQ(asked("d[\"pools\"][0][\"values\"][\"db_client_connection_pending_requests\"]"), "7");
  EXPECT_EQ(asked("d[\"pools\"][0][\"by\"][\"db_client_connections\"][\"used\"]"), "2");
  EXPECT_EQ(asked("d[\"pools\"][0][\"by\"][\"lido_cancels_failed_total\"][\"request/tls\"]"), "5");
  EXPECT_EQ(asked("d[\"pools\"][1][\"by\"][\"lido_cancels_failed_total\"][\"request/tls\"]"), "0");
}

TEST(I23_pools_json, histograms_have_one_count_a_bound_and_one_beyond) {
  const std::string h = "d[\"pools\"][0][\"histograms\"][\"db_client_connection_wait_time_seconds\"]";
  EXPECT_EQ(asked("len(d[\"bounds\"]), d[\"bounds\"][0], d[\"bounds\"][-1]"), "81 1e-06 100");
  EXPECT_EQ(asked("len(" + h + "[\"counts\"]), sum(" + h + "[\"counts\"]), " + h + "[\"counts\"][0], " + h +
                  "[\"counts\"][-1], " + h + "[\"sum\"]"),
            "82 3 2 1 1");
}

TEST(I23_pools_json, says_what_every_family_means_and_leaves_none_out) {
  EXPECT_EQ(asked("all(len(t) > 20 for t in d[\"families\"].values())"), "True");
  EXPECT_EQ(asked("sorted(f for p in d[\"pools\"] for k in (\"values\", \"by\", \"histograms\") for f in p[k]) == "
                  "sorted(list(d[\"families\"]) * 2)"),
            "True");
}

TEST(I23_pools_json, says_who_holds_what_since_when_and_from_where) {
  const std::string first = "d[\"pools\"][0][\"holders\"][0]";
  EXPECT_EQ(asked("d[\"pools\"][0][\"holders_count\"], " + first + "[\"held_seconds\"], " + first + "[\"state\"], " +
                  first + "[\"priority\"], " + first + "[\"backend_pid\"]"),
            "2 4.2 leased normal 4711");
  EXPECT_THAT(asked(first + "[\"place\"]"), testing::MatchesRegex("metrics/pools_json_test.cpp:[0-9]+"))
      << "the folder and the file, not the whole path";
  const std::string second = "d[\"pools\"][0][\"holders\"][1]";
  EXPECT_EQ(asked("[" + second + "[k] for k in (\"state\", \"tag\", \"place\")]"), "['recovering', '', '']");
}

TEST(S15_pools_json, a_tag_cannot_break_out_of_the_document) {
  EXPECT_EQ(document().find("</script>"), std::string::npos);
  EXPECT_EQ(asked("d[\"pools\"][0][\"holders\"][0][\"tag\"] == \"<\" + \"/script><b>\""), "True");
}

TEST(S13_pools_json, a_thousand_holders_are_a_number_and_the_longest_few) {
  EXPECT_EQ(asked("d[\"pools\"][1][\"holders_count\"], len(d[\"pools\"][1][\"holders\"])"), "1000 20");
}

TEST(I23_pools_json, a_source_that_cannot_say_who_holds_what_has_no_such_table) {
  EXPECT_THAT(pools_json(render(two_pools(), resolution::every_bucket), {}), Not(HasSubstr("\"holders")));
}

TEST(I23_pools_json, of_no_pool_is_a_document_too) { EXPECT_THAT(pools_json({}, {}), HasSubstr("\"pools\":[]")); }

class I23_health : public testing::Test {
 protected:
  health judged(health_watch::time_point::duration at) {
    return watch_.judge({{"a", stats_, said_}}, health_watch::time_point{} + at);
  }
  health_watch watch_;
  lido::pool_stats stats_;
  std::optional<lido::pool_readiness> said_;
};

TEST_F(I23_health, without_a_pool_is_not_ready) { EXPECT_FALSE(watch_.judge({}, {}).ready); }

TEST_F(I23_health, an_idle_pool_that_never_connected_is_ready) { EXPECT_TRUE(judged(0s).ready); }

TEST_F(I23_health, no_connection_and_failing_connects_is_not_ready_until_one_succeeds) {
  stats_.connect_failures = 2;
  EXPECT_FALSE(judged(0s).ready);
  stats_.created = 1;
  EXPECT_TRUE(judged(1s).ready);
}

TEST_F(I23_health, a_connection_that_is_left_makes_failures_bearable) {
  stats_.connect_failures = 2;
  stats_.leased = 1;
  EXPECT_TRUE(judged(0s).ready);
  stats_.leased = 0;
  EXPECT_FALSE(judged(1s).ready);
}

TEST_F(I23_health, old_failures_are_forgotten_or_no_traffic_would_ever_come_back) {
  stats_.connect_failures = 2;
  EXPECT_FALSE(judged(0s).ready);
  EXPECT_FALSE(judged(30s).ready);
  EXPECT_TRUE(judged(31s).ready);
  stats_.connect_failures = 3;
  EXPECT_FALSE(judged(32s).ready);
}

TEST_F(I23_health, failures_before_the_last_success_do_not_count) {
  stats_.connect_failures = 2;
  stats_.created = 5;
  EXPECT_TRUE(judged(0s).ready);
}

TEST_F(I23_health, a_pool_that_is_paused_or_closing_is_not_ready) {
  stats_.idle = 3;
  stats_.phase = lido::pool_phase::paused;
  EXPECT_EQ(judged(0s).reason, "pool a is paused");
  stats_.phase = lido::pool_phase::draining;
  EXPECT_EQ(judged(0s).reason, "pool a is closing");
  stats_.phase = lido::pool_phase::open;
  EXPECT_TRUE(judged(0s).ready);
}

// Contract of docs/kubernetes.md: /healthz says what pool::readiness() says.
TEST_F(I23_health, what_the_pool_says_itself_decides) {
  stats_.connect_failures = 2;
  said_ = {true, "3 idle", lido::readiness_state::ready};
  EXPECT_TRUE(judged(0s).ready);
  said_ = {false, "no connection, and connects fail", lido::readiness_state::unreachable};
  EXPECT_FALSE(judged(100s).ready) << "it knows better how long a failure counts";
  said_ = {false, "the pool is paused", lido::readiness_state::paused};
  EXPECT_EQ(judged(101s).reason, "pool a is paused");
}

TEST_F(I23_health, S13_what_the_server_said_is_not_for_the_port) {
  said_ = {false, "no connection, and connects fail: password authentication failed for user \"bob\" at db7",
           lido::readiness_state::unreachable};
  EXPECT_THAT(judged(0s).reason, Not(HasSubstr("bob")));
  EXPECT_THAT(judged(0s).reason, HasSubstr("pool a: no connection"));
}

}  // namespace
