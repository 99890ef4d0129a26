// The demo, scraped over HTTP while it runs. Its own exit status says whether all promises held.
#include "bench/storm/exposition.hpp"
#include "tests/metrics/promtool.hpp"
#include "tests/support/descriptor.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/files.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/process.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>

namespace {

using lido::storm::exposition;
using namespace std::chrono_literals;

class running_demo {
 public:
  running_demo() : port_{lido::testing::free_port()} {
    const std::string file = folder_.path() / "output";
    const lido::testing::descriptor output{::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
    lido::testing::child_settings s;
    s.arguments = {LIDO_DEMO, "--quick", "--metrics", "127.0.0.1:" + std::to_string(port_)};
    s.output = output.get();
    s.errors = output.get();
    s.parent_death_signal = SIGTERM;
    child_ = lido::testing::child_process{s};
  }

  [[nodiscard]] std::string scrape() const { return lido::testing::http_get("127.0.0.1", port_, "/metrics").body; }
  [[nodiscard]] std::string output() const { return lido::testing::read_file(folder_.path() / "output"); }
  [[nodiscard]] bool running() { return child_.running(); }
  std::optional<int> wait() { return child_.wait(120s); }

 private:
  lido::testing::temporary_folder folder_{"lido-demo-test-"};
  std::uint16_t port_;
  lido::testing::child_process child_;
};

// A scrape in which cancels have been seen; empty while the demo is still starting.
std::string busy_scrape(const running_demo& demo) try {
  std::string text = demo.scrape();
  return exposition::parse(text).sum("lido_cancels_eof_total") > 0 ? text : std::string{};
} catch (const std::runtime_error&) {
  return {};
}

TEST(I23_demo, scrape_of_the_running_demo_is_parsed_and_accepted_by_promtool) {
  running_demo demo;
  std::string text;
  ASSERT_TRUE(lido::testing::eventually([&] { return !(text = busy_scrape(demo)).empty() || !demo.running(); }, 60s));
  ASSERT_FALSE(text.empty()) << demo.output();
  EXPECT_EQ(lido::testing::promtool_check_metrics(text), "");

  const exposition e = exposition::parse(text);
  EXPECT_EQ(e.value("db_client_connection_max", {{"pool_name", "demo"}}), 16);
  EXPECT_LE(e.sum("db_client_connections"), 16);
  EXPECT_GT(e.sum("lido_acquires_total"), 0);
  EXPECT_GE(e.sum("lido_cancels_requested_total"), e.sum("lido_cancels_eof_total"));
  EXPECT_GT(e.sum("db_client_connection_use_time_seconds_count"), 0);

  const auto status = demo.wait();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(*status, 0) << demo.output();
  for (const char* budget : {"sleeps 150 ms", "5,000 ms for the end of a cancel", "300 ms where the fault is"})
    EXPECT_NE(demo.output().find(budget), std::string::npos) << budget;
}

}  // namespace
