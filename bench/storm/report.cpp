#include "bench/storm/report.hpp"

#include <algorithm>
#include <cstdio>

namespace lido::storm {
namespace {

std::string number(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

// "name n, name n" of those that are not 0.
template <class Enum, class Counts>
std::string counted(const Counts& counts) {
  std::string out;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    if (!out.empty()) out += ", ";
    out += std::string{to_string(static_cast<Enum>(i))} + " " + grouped(counts[i]);
  }
  return out;
}

template <class Counts>
std::uint64_t total(const Counts& counts) {
  std::uint64_t n = 0;
  for (const auto c : counts) n += c;
  return n;
}

latency_summary summary_of(const histogram_snapshot& h) {
  const auto us = [](std::chrono::nanoseconds d) { return static_cast<double>(d.count()) / 1e3; };
  return {h.count(), us(h.quantile(0.5)), us(h.quantile(0.99)), us(h.max)};
}

class table_writer {
 public:
  void row(const std::string& name, const std::string& value, const std::string& note = {}) {
    out_ += "  " + padded(name, 30) + right_padded(value, 12) + (note.empty() ? "" : "   " + note) + "\n";
  }
  void latency(const std::string& name, const latency_summary& l) {
    out_ += "  " + padded(name, 30) + right_padded(human_us(l.p50_us), 12) + right_padded(human_us(l.p99_us), 12) +
            right_padded(human_us(l.max_us), 12) + "\n";
  }
  void line(const std::string& text) { out_ += text + "\n"; }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// A server's text may be a kilobyte; a table has room for a line.
std::string capped(const std::string& words) {
  constexpr std::size_t most = 160;
  if (words.size() <= most) return words;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(words[end]) & 0xC0U) == 0x80U) --end;  // not within a character
  return words.substr(0, end) + "...";
}

std::string parenthesised(const std::string& text) { return text.empty() ? text : "(" + text + ")"; }

void write_callers(table_writer& t, const run_result& r) {
  t.line("what the tasks saw");
  t.row("completed, result its own", grouped(r.seen.completed));
  t.row("cancelled: operation_aborted", grouped(r.seen.cancelled));
  std::string labels;
  for (const auto& [label, n] : r.seen.errors) labels += (labels.empty() ? "" : ", ") + label + " " + grouped(n);
  t.row("errors of server or network", grouped(r.seen.error_count()), labels);
  for (const auto& [label, words] : r.seen.first_of) t.line("    first " + label + ": " + capped(words));
  t.row("unexpected", grouped(r.seen.unexpected), "anything that the contract forbids");
  t.row("stray cancels", grouped(r.seen.stray_cancels), "a task hit by another one's cancel");
  if (r.seen.interrupted != 0) {
    t.row("interrupted by the run's end", grouped(r.seen.interrupted), "not counted as operations or as cancelled");
  }
}

void write_latencies(table_writer& t, const run_result& r) {
  t.line("  " + padded("latency", 30) + right_padded("p50", 12) + right_padded("p99", 12) + right_padded("max", 12));
  t.latency("acquire", r.seen.acquire_latency);
  t.latency("cancel to task resumed", r.seen.cancel_latency);
  t.latency("cancel to connection free", summary_of(r.pool.fence_time));
}

void write_connections(table_writer& t, const run_result& r) {
  const pool_stats& p = r.pool;
  t.line("what it cost");
  t.row("connections opened", grouped(p.created),
        p.connect_failures ? grouped(p.connect_failures) + " connects failed" : "");
  t.row("recovered, in use again", grouped(p.recovered), "of " + grouped(p.recoveries) + " abandoned");
  t.row("closed", grouped(total(p.closed)), counted<close_reason>(p.closed));
  t.row("cancels asked for", grouped(p.cancels.requested),
        "not needed or not allowed: " + grouped(total(p.cancels.suppressed)) + " " +
            parenthesised(counted<cancel_suppression>(p.cancels.suppressed)));
  t.row("cancels sent", grouped(p.cancels.sent),
        "confirmed " + grouped(p.cancels.eof) + ", unknown " + grouped(p.cancels.unknown) + ", second attempts " +
            grouped(p.cancels.retried));
  t.row("by the control session", grouped(p.cancels.of(cancel_channel::session).sent),
        "in " + grouped(p.cancels.batches) + " statements, fell back " + grouped(p.cancels.fell_back));
  t.row("cancel connections failed", grouped(total(p.cancels.failed)), counted<cancel_phase>(p.cancels.failed));
  t.row("the pool at the end", grouped(p.size()),
        "of " + grouped(p.max_size) + ": idle " + grouped(p.idle) + ", leased " + grouped(p.leased) + ", recovering " +
            grouped(p.recovering) + ", waiting " + grouped(p.waiting));
  t.row("slots leaked", grouped(r.slots_leaked));
}

class json_writer {
 public:
  json_writer& open(const char* key = nullptr) { return open(key ? std::string_view{key} : std::string_view{}); }
  json_writer& open(std::string_view key) {
    name(key);
    out_ += '{';
    first_ = true;
    return *this;
  }
  json_writer& close() {
    out_ += '}';
    first_ = false;
    return *this;
  }
  json_writer& add(std::string_view key, std::uint64_t n) { return raw(key, std::to_string(n)); }
  json_writer& add(std::string_view key, double x, int decimals) { return raw(key, number(x, decimals)); }
  json_writer& add(const char* key, const latency_summary& l) {
    return open(key).add("p50", l.p50_us, 1).add("p99", l.p99_us, 1).add("max", l.max_us, 1).close();
  }
  template <class Enum, class Counts>
  json_writer& add_by(const char* key, const Counts& counts) {
    open(key);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] != 0) add(to_string(static_cast<Enum>(i)), counts[i]);
    }
    return close();
  }
  std::string take() { return std::move(out_); }

 private:
  // Keys are our own identifiers: nothing to escape.
  void name(std::string_view key) {
    if (!first_) out_ += ',';
    if (!key.empty()) out_.append("\"").append(key).append("\":");
  }
  json_writer& raw(std::string_view key, const std::string& value) {
    name(key);
    out_ += value;
    first_ = false;
    return *this;
  }

  std::string out_;
  bool first_ = true;
};

void write_pool(json_writer& j, const pool_stats& p) {
  j.open("connections")
      .add("opened", p.created)
      .add("recovered", p.recovered)
      .add_by<close_reason>("closed", p.closed)
      .close();
  j.open("cancels").add("requested", p.cancels.requested).add("sent", p.cancels.sent).add("retried", p.cancels.retried);
  j.add("eof", p.cancels.eof).add_by<cancel_phase>("failed", p.cancels.failed).add("unknown", p.cancels.unknown);
  j.add_by<cancel_suppression>("suppressed", p.cancels.suppressed);
  j.open("channel");
  for (const cancel_channel c : {cancel_channel::request, cancel_channel::session}) {
    const cancel_channel_stats& part = p.cancels.of(c);
    j.open(to_string(c)).add("sent", part.sent).add("eof", part.eof);
    j.add_by<cancel_phase>("failed", part.failed).add("unknown", part.unknown).close();
  }
  j.close();
  j.add("missed", p.cancels.missed).add("fell_back", p.cancels.fell_back).add("batches", p.cancels.batches);
  j.add("control_opened", p.cancels.control_opened).add("control_refused", p.cancels.control_refused).close();
  j.open("pool").add("max", p.max_size).add("idle", p.idle).add("leased", p.leased).add("recovering", p.recovering);
  j.add("connecting", p.connecting)
      .add("validating", p.validating)
      .add("closing", p.closing)
      .add("waiting", p.waiting)
      .close();
}

// What was seen, and no more: of a task whose statement failed nobody knows whether it would have had its own result.
std::string conclusion(const run_result& r) {
  if (!r.good()) return "FAILED: see unexpected, stray cancels and slots leaked above";
  if (r.seen.operations == 0) return "OK, but nothing was seen: no operation ended";
  const std::uint64_t errors = r.seen.error_count();
  if (errors == 0) return "OK: every task saw only its own result or its own cancellation, and no slot was lost";
  const std::string many = grouped(errors) + " of " + grouped(r.seen.operations) + " operations ended with an error";
  if (r.seen.completed == 0) return "OK as far as was seen, but nobody had a result: " + many + "; no slot was lost";
  return "OK: no task saw another one's result or cancellation, and no slot was lost; " + many;
}

}  // namespace

bool run_result::good() const noexcept { return seen.unexpected == 0 && seen.stray_cancels == 0 && slots_leaked == 0; }

std::string grouped(std::uint64_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string human_us(double us) {
  if (us < 1e3) return number(us, us < 10 ? 1 : 0) + " us";
  if (us < 1e6) return number(us / 1e3, us < 1e5 ? 1 : 0) + " ms";
  return number(us / 1e6, 1) + " s";
}

std::string padded(std::string_view text, std::size_t width) {
  std::string out(std::max(width, text.size()), ' ');
  std::ranges::copy(text, out.begin());
  return out;
}

std::string right_padded(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

std::string live_line(const tally_snapshot& seen, const pool_stats& pool, std::chrono::duration<double> elapsed) {
  return number(elapsed.count(), 1) + " s  " + grouped(seen.operations) + " operations, " + grouped(seen.cancelled) +
         " cancelled, " + grouped(seen.error_count()) + " errors, " + grouped(seen.unexpected + seen.stray_cancels) +
         " wrong | connections: " + grouped(pool.idle) + " idle, " + grouped(pool.leased) + " leased, " +
         grouped(pool.recovering) + " recovering; " + grouped(pool.waiting) + " waiting";
}

std::string table(const run_result& r) {
  table_writer t;
  const double rate = r.took.count() > 0 ? static_cast<double>(r.seen.operations) / r.took.count() : 0;
  t.line(grouped(r.seen.operations) + " operations in " + number(r.took.count(), 1) + " s (" + number(rate, 0) +
         "/s), " + grouped(r.tasks) + " tasks over " + grouped(r.pool.max_size) + " connections, seed " +
         std::to_string(r.seed));
  write_callers(t, r);
  write_latencies(t, r);
  write_connections(t, r);
  for (const std::string& e : r.seen.examples) t.line("  example: " + e);
  t.line(conclusion(r));
  return t.take();
}

std::string json(const run_result& r) {
  json_writer j;
  j.open().add("operations", r.seen.operations).add("completed", r.seen.completed).add("cancelled", r.seen.cancelled);
  j.open("errors");
  for (const auto& [label, n] : r.seen.errors) j.add(label, n);
  j.close().add("unexpected", r.seen.unexpected).add("stray_cancels", r.seen.stray_cancels);
  j.add("cancel_latency_us", r.seen.cancel_latency).add("acquire_latency_us", r.seen.acquire_latency);
  j.add("recovery_latency_us", summary_of(r.pool.fence_time));
  write_pool(j, r.pool);
  j.add("slots_leaked", r.slots_leaked)
      .add("interrupted", r.seen.interrupted)
      .add("seconds", r.took.count(), 3)
      .add("seed", r.seed)
      .close();
  return j.take() + "\n";
}

}  // namespace lido::storm
