#include "bench/peers/measure.hpp"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace lido::bench {
namespace {

std::string text_of(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::size_t number_of(const char* name, const char* otherwise) { return std::stoul(text_of(name, otherwise)); }

double seconds(const timeval& t) noexcept {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

}  // namespace

options options::read(int argc, char** argv) {
  if (argc != 4) fail("usage: PROGRAM WORKLOAD COUNT WARMUP");
  options o;
  o.workload = argv[1];
  o.count = std::stoul(argv[2]);
  o.warmup = std::stoul(argv[3]);
  o.host = text_of("B_HOST", "127.0.0.1");
  o.port = static_cast<std::uint16_t>(number_of("B_PORT", "5432"));
  o.user = text_of("B_USER", "bench");
  o.database = text_of("B_DB", "bench");
  o.ca_file = text_of("B_CA", "");
  o.connections = number_of("B_NCONN", "16");
  o.tasks = number_of("B_NTASK", "64");
  o.tls = number_of("B_TLS", "0") != 0;
  return o;
}

void fail(std::string_view why) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(why.size()), why.data());
  std::exit(1);
}

std::uint64_t now_ns() noexcept {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(t.tv_nsec);
}

double cpu_seconds() noexcept {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::int64_t status_kib(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ':') {
      return std::stol(line.substr(key.size() + 1));
    }
  }
  return -1;
}

double percentile_us(std::vector<std::uint64_t> ns, double q) {
  if (ns.empty()) return 0;
  const auto nth = static_cast<std::ptrdiff_t>(q * static_cast<double>(ns.size() - 1) + 0.5);
  std::nth_element(ns.begin(), ns.begin() + nth, ns.end());
  return static_cast<double>(ns[static_cast<std::size_t>(nth)]) / 1000.0;
}

progress::progress(std::size_t count, std::size_t warmup) : total_(count + warmup), warmup_(warmup) {
  latencies_.reserve(count);
  if (warmup == 0) begin();
}

void progress::begin() noexcept {
  began_at_ = now_ns();
  cpu_at_begin_ = cpu_seconds();
}

void progress::end() noexcept {
  ended_at_ = now_ns();
  cpu_at_end_ = cpu_seconds();
}

void report(std::string_view peer, const options& opt, std::size_t operations, const progress& p, const figures& more) {
  const auto n = static_cast<double>(operations);
  const auto& lat = p.latencies();
  std::printf("{\"peer\":\"%.*s\",\"w\":\"%s\",\"n\":%zu,\"secs\":%.6f,\"ops_s\":%.1f,\"ns_op\":%.1f,\"cpu_kop\":%.6f",
              static_cast<int>(peer.size()), peer.data(), opt.workload.c_str(), operations, p.seconds(),
              n / p.seconds(), p.seconds() * 1e9 / n, p.cpu() / n * 1000.0);
  for (const auto& [name, q] : {std::pair{"p50_us", 0.5}, {"p99_us", 0.99}, {"p999_us", 0.999}, {"max_us", 1.0}}) {
    std::printf(",\"%s\":%.1f", name, percentile_us(lat, q));
  }
  for (const auto& [name, value] : more) std::printf(",\"%s\":%.2f", name.c_str(), value);
  std::printf(",\"rss_kb\":%lld}\n", static_cast<long long>(status_kib("VmHWM")));
  std::fflush(stdout);
}

}  // namespace lido::bench
