#include <lido/metrics/reload_collector.hpp>

#include <chrono>
#include <string>

namespace lido::inline v0::metrics {

namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily gauge(std::string name, std::string help, double value) {
  MetricFamily family{std::move(name), std::move(help), MetricType::Gauge, {}};
  family.metric.emplace_back().gauge.value = value;
  return family;
}

}  // namespace

std::vector<MetricFamily> reload_collector::Collect() const {
  const std::optional<reload_stats> s = stats_ ? stats_() : std::nullopt;
  if (!s) return {};
  std::vector<MetricFamily> families;
  families.push_back(gauge("lido_config_reload_success",
                           "1 when the latest reading of the configuration was taken, 0 when it was refused and the "
                           "one before it still runs: read the log for file, line and reason, mend the file.",
                           s->last_ok ? 1 : 0));
  families.push_back(
      gauge("lido_config_last_reload_success_timestamp_seconds",
            "When a configuration was last taken. Older than the last change of the file: nobody has reloaded.",
            std::chrono::duration<double>(s->last_success.time_since_epoch()).count()));
  MetricFamily total{"lido_config_reloads_total", "Readings of the configuration, by result.", MetricType::Counter, {}};
  for (const bool ok : {true, false}) {
    auto& metric = total.metric.emplace_back();
    metric.label = {{"result", ok ? "ok" : "refused"}};
    metric.counter.value = static_cast<double>(ok ? s->successes : s->failures);
  }
  families.push_back(std::move(total));
  MetricFamily thrown{
      "lido_config_sink_errors_total",
      "Exceptions thrown by the application's callbacks of a reload (reloader::options), contained. Fix "
      "the callback: until then what it was to do is not done.",
      MetricType::Counter,
      {}};
  thrown.metric.emplace_back().counter.value = static_cast<double>(s->sink_errors);
  families.push_back(std::move(thrown));
  return families;
}

}  // namespace lido::inline v0::metrics
