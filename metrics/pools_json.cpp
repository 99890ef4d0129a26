#include "metrics/pools_json.hpp"

#include "metrics/json.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace lido::inline v0::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view pool_label = "pool_name";

std::string_view pool_of(const ClientMetric& m) {
  for (const auto& label : m.label) {
    if (label.name == pool_label) return label.value;
  }
  return {};
}

// The values of all other labels, as one key: "idle", "request/tls".
std::string rest_of(const ClientMetric& m) {
  std::string key;
  for (const auto& label : m.label) {
    if (label.name == pool_label) continue;
    if (!key.empty()) key += '/';
    key += label.value;
  }
  return key;
}

double value_of(const ClientMetric& m, MetricType type) {
  return type == MetricType::Counter ? m.counter.value : m.gauge.value;
}

std::vector<std::string_view> pools_in(const std::vector<MetricFamily>& families) {
  std::vector<std::string_view> names;
  if (families.empty()) return names;
  // Every family of the collector has every pool; the first one has each once a state.
  for (const ClientMetric& m : families.front().metric) {
    const std::string_view name = pool_of(m);
    if (!name.empty() && (names.empty() || names.back() != name)) names.push_back(name);
  }
  return names;
}

bool has_further_labels(const MetricFamily& f) { return !f.metric.empty() && f.metric.front().label.size() > 1; }

template <class Write>
void each_series(const MetricFamily& f, std::string_view pool, Write write) {
  for (const ClientMetric& m : f.metric) {
    if (pool_of(m) == pool) write(m);
  }
}

void write_values(json_writer& out, const std::vector<MetricFamily>& families, std::string_view pool) {
  out.key("values").begin_object();
  for (const MetricFamily& f : families) {
    if (f.type == MetricType::Histogram || has_further_labels(f)) continue;
    each_series(f, pool, [&](const ClientMetric& m) { out.key(f.name).number(value_of(m, f.type)); });
  }
  out.end_object();
  out.key("by").begin_object();
  for (const MetricFamily& f : families) {
    if (f.type == MetricType::Histogram || !has_further_labels(f)) continue;
    out.key(f.name).begin_object();
    each_series(f, pool, [&](const ClientMetric& m) { out.key(rest_of(m)).number(value_of(m, f.type)); });
    out.end_object();
  }
  out.end_object();
}

void write_histogram(json_writer& out, const ClientMetric::Histogram& h) {
  out.begin_object().key("sum").number(h.sample_sum).key("counts").begin_array();
  std::uint64_t below = 0;
  for (const auto& bucket : h.bucket) {
    out.number(static_cast<double>(bucket.cumulative_count - below));
    below = bucket.cumulative_count;
  }
  out.end_array().end_object();
}

void write_histograms(json_writer& out, const std::vector<MetricFamily>& families, std::string_view pool) {
  out.key("histograms").begin_object();
  for (const MetricFamily& f : families) {
    if (f.type != MetricType::Histogram || has_further_labels(f)) continue;
    each_series(f, pool, [&](const ClientMetric& m) { write_histogram(out.key(f.name), m.histogram); });
  }
  out.end_object();
}

// Where an acquire is, short enough for a table: the file with the folder it is in, and the line. No more of the path:
// it may begin with somebody's home.
std::string place_of(const std::source_location& at) {
  std::string_view file = at.file_name();
  if (file.empty()) return {};
  const std::size_t last = file.rfind('/');
  const std::size_t one_up = last == std::string_view::npos || last == 0 ? last : file.rfind('/', last - 1);
  if (one_up != std::string_view::npos) file.remove_prefix(one_up + 1);
  return std::string(file) + ':' + std::to_string(at.line());
}

void write_holder(json_writer& out, const lease_holder& h) {
  out.begin_object().key("held_seconds").number(std::chrono::duration<double>(h.held).count());
  out.key("state").text(to_string(h.state)).key("tag").text(h.tag).key("priority").text(to_string(h.priority));
  out.key("place").text(place_of(h.place)).key("backend_pid").number(h.backend_pid).end_object();
}

void write_holders(json_writer& out, const std::vector<pool_holders>& of_pools, std::string_view pool) {
  const auto found = std::ranges::find(of_pools, pool, &pool_holders::pool_name);
  if (found == of_pools.end()) return;
  const std::vector<lease_holder>& holders = found->holders;
  out.key("holders_count").number(static_cast<double>(holders.size())).key("holders").begin_array();
  for (std::size_t i = 0; i < std::min(holders.size(), most_holders); ++i) write_holder(out, holders[i]);
  out.end_array();
}

void write_bounds(json_writer& out, const std::vector<MetricFamily>& families) {
  out.key("bounds").begin_array();
  for (const MetricFamily& f : families) {
    if (f.type != MetricType::Histogram || f.metric.empty()) continue;
    for (const auto& bucket : f.metric.front().histogram.bucket) {
      if (std::isfinite(bucket.upper_bound)) out.number(bucket.upper_bound);
    }
    break;  // one set for all
  }
  out.end_array();
}

}  // namespace

std::string pools_json(const std::vector<MetricFamily>& families, const pools_json_frame& frame,
                       const std::vector<pool_holders>& holders) {
  json_writer out;
  out.begin_object().key("version").number(pools_json_version);
  out.key("unix_ms").number(static_cast<double>(frame.unix_ms));
  out.key("monotonic_ms").number(static_cast<double>(frame.monotonic_ms));
  out.key("ready").boolean(frame.ready).key("reason").text(frame.reason);
  write_bounds(out, families);
  out.key("pools").begin_array();
  for (const std::string_view pool : pools_in(families)) {
    out.begin_object().key("name").text(pool);
    write_values(out, families, pool);
    write_histograms(out, families, pool);
    write_holders(out, holders, pool);
    out.end_object();
  }
  out.end_array();
  out.key("families").begin_object();
  for (const MetricFamily& f : families) out.key(f.name).text(f.help);
  out.end_object().end_object();
  return std::move(out).take();
}

}  // namespace lido::inline v0::metrics
