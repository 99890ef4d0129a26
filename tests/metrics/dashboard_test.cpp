// The dashboard and the alert rules on a real Prometheus that scrapes a running pool: every panel shows something.
#include "tests/metrics/storm_world.hpp"
#include "tests/support/files.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/process.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <string>

namespace {

using namespace std::chrono_literals;

const std::string source{LIDO_SOURCE_DIR};

class running_prometheus {
 public:
  explicit running_prometheus(const std::string& target) : port_{lido::testing::free_port()} {
    const std::string config = folder_.path() / "prometheus.yml";
    lido::testing::write_file(config,
                              "global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s}\n"
                              "rule_files: ['" +
                                  source +
                                  "/metrics/alerts/lido.rules.yml']\n"
                                  "scrape_configs:\n"
                                  "  - job_name: lido\n"
                                  "    static_configs: [{targets: ['" +
                                  target + "']}]\n");
    lido::testing::child_settings s;
    s.arguments = {"/usr/bin/prometheus", "--config.file=" + config,
                   "--storage.tsdb.path=" + (folder_.path() / "data").string(),
                   "--web.listen-address=127.0.0.1:" + std::to_string(port_)};
    s.parent_death_signal = SIGKILL;
    child_ = lido::testing::child_process{s};
  }

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  lido::testing::temporary_folder folder_{"lido-prometheus-"};
  std::uint16_t port_;
  lido::testing::child_process child_;
};

TEST(I23_dashboard, every_panel_and_every_rule_has_an_answer_on_a_real_prometheus) {
  lido::testing::storm_world world;
  const running_prometheus prometheus{world.address()};
  const auto r = lido::testing::run_process({"/usr/bin/python3", source + "/tests/metrics/dashboard_queries.py",
                                             prometheus.url(), source + "/metrics/grafana/lido.json"},
                                            {}, 120s);
  EXPECT_EQ(r.status, 0) << r.output << r.errors;
}

TEST(I23_dashboard, is_what_its_source_makes) {
  const auto r = lido::testing::run_process({"/usr/bin/python3", source + "/metrics/grafana/dashboard.py", "--check"});
  EXPECT_EQ(r.status, 0) << r.output << r.errors;
}

}  // namespace
