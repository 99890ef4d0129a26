#include "bench/storm/demo_record.hpp"

#include "bench/storm/report.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace lido::storm {
namespace {

template <class T, std::size_t N>
void subtract(std::array<T, N>& from, const std::array<T, N>& what) {
  for (std::size_t i = 0; i < N; ++i) from[i] -= what[i];
}

// The maximum of a part cannot be had from two wholes: the bound of its highest bucket, or the whole's if that is less.
void subtract(histogram_snapshot& from, const histogram_snapshot& what) {
  subtract(from.counts, what.counts);
  from.sum -= what.sum;
  std::size_t highest = from.counts.size();
  while (highest > 0 && from.counts[highest - 1] == 0) --highest;
  if (highest == 0) {
    from.max = std::chrono::nanoseconds{0};
  } else if (highest <= histogram_snapshot::bound_count) {
    from.max = std::min(from.max, histogram_snapshot::bounds()[highest - 1]);
  }
}

std::string human(std::chrono::nanoseconds d) { return human_us(static_cast<double>(d.count()) / 1e3); }

std::string counts_by_label(const std::map<std::string, std::uint64_t>& errors) {
  std::string text;
  for (const auto& [label, n] : errors) text += (text.empty() ? "" : ", ") + label + " " + grouped(n);
  return text;
}

std::string what_callers_saw(const phase_record& p) {
  std::string text = counts_by_label(p.seen.errors);
  const auto also = [&text](std::uint64_t n, std::string_view what) {
    if (n != 0) text += (text.empty() ? "" : ", ") + std::string{what} + " " + grouped(n);
  };
  also(p.seen.stray_cancels, "HIT BY A FOREIGN CANCEL");
  also(p.seen.unexpected, "UNEXPECTED");
  return text.empty() ? "nothing" : text;
}

std::string why_discarded(const pool_stats& delta) {
  std::string text;
  for (std::size_t i = 0; i < close_reason_count; ++i) {
    if (delta.closed[i] == 0) continue;
    text += (text.empty() ? "" : ", ") + grouped(delta.closed[i]) + " " +
            std::string{to_string(static_cast<close_reason>(i))};
  }
  return text.empty() ? "none" : text;
}

std::string row(const std::vector<std::pair<std::string, int>>& cells) {
  std::string line;
  for (const auto& [text, width] : cells) {
    const auto size = static_cast<std::size_t>(width < 0 ? -width : width);
    line += " " + (width < 0 ? right_padded(text, size) : padded(text, size));
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string series_name(const series& s) {
  std::string text = s.name;
  std::string labels;
  for (const auto& [name, value] : s.labels) {
    if (name != "pool_name")
      labels.append(labels.empty() ? "" : ",").append(name).append("=\"").append(value).append("\"");
  }
  return labels.empty() ? text : text + "{" + labels + "}";
}

// In the order in which an operator would look at them.
constexpr std::string_view telling[] = {
    "lido_cancels_requested_total",
    "lido_cancels_suppressed_total",
    "lido_cancels_sent_total",
    "lido_cancels_eof_total",
    "lido_cancels_failed_total",
    "lido_cancels_unknown_total",
    "lido_cancels_retried_total",
    "lido_stray_cancels_total",
    "lido_connections_recovered_total",
    "lido_connections_closed_total",
    "lido_connections_opened_total",
    "lido_connect_failures_total",
    "lido_connections_orphaned_total",
    "db_client_connection_timeouts_total",
    "lido_pool_generation",
};

std::vector<std::string> changes(const phase_record& p) {
  std::vector<std::string> lines;
  for (const std::string_view name : telling) {
    for (const series& s : p.scraped_after.all(name)) {
      const double grown = s.value - p.scraped_before.value(name, s.labels).value_or(0);
      if (grown > 0) lines.push_back(series_name(s) + " +" + grouped(static_cast<std::uint64_t>(grown)));
    }
  }
  return lines;
}

}  // namespace

std::vector<std::string> phase_record::breaches(std::uint64_t max_backends) const {
  std::vector<std::string> found;
  const auto expect = [&found](bool kept, std::string what) {
    if (!kept) found.push_back(std::move(what));
  };
  expect(seen.operations > 0 && seen.completed > 0, "nobody got any work done");
  expect(seen.unexpected == 0, grouped(seen.unexpected) + " outcomes that the contract forbids");
  expect(seen.stray_cancels == 0, grouped(seen.stray_cancels) + " tasks hit by another one's cancel");
  expect(may_disconnect || seen.errors.empty(),
         "callers saw errors of the cancel path: " + counts_by_label(seen.errors));
  expect(slots_leaked == 0, grouped(slots_leaked) + " slots leaked");
  expect(full_again, "the pool did not fill up again");
  expect(most_backends <= max_backends, "the server counted " + grouped(most_backends) + " connections of ours");
  expect(left_running == 0, grouped(left_running) + " cancelled statements still run on the server");
  for (const std::string& e : seen.examples) found.push_back("example: " + e);
  return found;
}

pool_stats difference(const pool_stats& after, const pool_stats& before) {
  pool_stats d = after;
  d.acquires -= before.acquires;
  d.acquires_queued -= before.acquires_queued;
  d.acquire_timeouts -= before.acquire_timeouts;
  d.connects -= before.connects;
  d.created -= before.created;
  d.connect_failures -= before.connect_failures;
  d.recoveries -= before.recoveries;
  d.recovered -= before.recovered;
  d.orphaned -= before.orphaned;
  d.stray_cancels -= before.stray_cancels;
  subtract(d.closed, before.closed);
  subtract(d.cancels.suppressed, before.cancels.suppressed);
  subtract(d.cancels.failed, before.cancels.failed);
  d.cancels.requested -= before.cancels.requested;
  d.cancels.sent -= before.cancels.sent;
  d.cancels.retried -= before.cancels.retried;
  d.cancels.eof -= before.cancels.eof;
  d.cancels.unknown -= before.cancels.unknown;
  subtract(d.fence_time, before.fence_time);
  return d;
}

std::string phase_table(const std::vector<phase_record>& phases) {
  std::string out = row({{"broken on purpose", 50},
                         {"operations", -10},
                         {"cancelled", -9},
                         {"resumed", -9},
                         {"other errors", 22},
                         {"recovered", -9},
                         {"waits", -7},
                         {"slot back", -9},
                         {"connections discarded, and why", 30}});
  out += row({{"", 50},
              {"", -10},
              {"", -9},
              {"p99", -9},
              {"seen by callers", 22},
              {"", -9},
              {"at most", -7},
              {"p99", -9},
              {"", 30}});
  out += " " + std::string(163, '-') + "\n";
  for (const phase_record& p : phases) {
    const pool_stats d = difference(p.after, p.before);
    out += row({{p.broken, 50},
                {grouped(p.seen.operations), -10},
                {grouped(p.seen.cancelled), -9},
                {p.seen.cancelled ? human_us(p.seen.cancel_latency.p99_us) : "-", -9},
                {what_callers_saw(p), 22},
                {grouped(d.recovered), -9},
                {human(p.cancel_budget), -7},
                {d.fence_time.count() ? human(d.fence_time.quantile(0.99)) : "-", -9},
                {why_discarded(d), 30}});
  }
  return out;
}

std::string operator_table(const std::vector<phase_record>& phases) {
  std::string out;
  for (const phase_record& p : phases) {
    std::string line = " " + padded(p.name, 22);
    std::size_t used = line.size();
    for (const std::string& change : changes(p)) {
      if (used + change.size() > 150) {
        out += line + "\n";
        line = std::string(23, ' ');
        used = line.size();
      }
      line += " " + change + " ";
      used = line.size();
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace lido::storm
