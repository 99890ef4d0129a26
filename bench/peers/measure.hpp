// What every benchmark program shares: its arguments, clocks, and the one line of JSON that it prints.
//
//   PROGRAM WORKLOAD COUNT WARMUP, with B_HOST, B_PORT, B_USER, B_DB, B_CA, B_NCONN, B_NTASK, B_TLS in the environment
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido::bench {

struct options {
  std::string workload;
  std::size_t count = 0;
  std::size_t warmup = 0;
  std::string host;
  std::uint16_t port = 0;
  std::string user;
  std::string database;
  std::string ca_file;
  std::size_t connections = 0;
  std::size_t tasks = 0;
  bool tls = false;

  static options read(int argc, char** argv);  // ends the program when the arguments are wrong
};

[[noreturn]] void fail(std::string_view why);

std::uint64_t now_ns() noexcept;
double cpu_seconds() noexcept;                  // of this process, user and system
std::int64_t status_kib(std::string_view key);  // a line of /proc/self/status, e.g. "VmRSS"
double percentile_us(std::vector<std::uint64_t> ns, double q);

// Hands out operations and notes when the warm-up ended.
class progress {
 public:
  progress(std::size_t count, std::size_t warmup);

  bool take() noexcept {
    if (started_ == total_) return false;
    ++started_;
    return true;
  }
  std::size_t started() const noexcept { return started_; }
  void finished() noexcept {
    if (++done_ == warmup_) begin();
  }
  void finished(std::uint64_t latency_ns) {
    if (done_ >= warmup_) latencies_.push_back(latency_ns);
    finished();
  }

  void begin() noexcept;  // the clocks start
  void end() noexcept;
  double seconds() const noexcept { return static_cast<double>(ended_at_ - began_at_) / 1e9; }
  double cpu() const noexcept { return cpu_at_end_ - cpu_at_begin_; }
  const std::vector<std::uint64_t>& latencies() const noexcept { return latencies_; }

 private:
  std::size_t total_;
  std::size_t warmup_;
  std::size_t started_ = 0;
  std::size_t done_ = 0;
  std::uint64_t began_at_ = 0;
  std::uint64_t ended_at_ = 0;
  double cpu_at_begin_ = 0;
  double cpu_at_end_ = 0;
  std::vector<std::uint64_t> latencies_;
};

using figures = std::vector<std::pair<std::string, double>>;

// `operations`: what the figures are divided by.
void report(std::string_view peer, const options& opt, std::size_t operations, const progress& p,
            const figures& more = {});

}  // namespace lido::bench
