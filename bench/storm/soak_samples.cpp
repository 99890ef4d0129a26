#include "bench/storm/soak_samples.hpp"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace lido::storm {
namespace {

constexpr std::size_t least_samples = 60;

std::uint64_t entries(const char* folder) {
  std::uint64_t n = 0;
  std::error_code gone;
  for (auto it = std::filesystem::directory_iterator{folder, gone}; it != std::filesystem::directory_iterator{};
       it.increment(gone)) {
    ++n;
  }
  return n;
}

// Those of look-ups and key derivations come with a burst of connects and go by themselves, four at most.
std::uint64_t threads_that_stay() {
  std::uint64_t n = 0;
  std::error_code gone;
  for (auto it = std::filesystem::directory_iterator{"/proc/self/task", gone};
       it != std::filesystem::directory_iterator{}; it.increment(gone)) {
    std::ifstream file{it->path() / "comm"};
    std::string name;
    if (std::getline(file, name) && name != "lido-helper") ++n;
  }
  return n;
}

double memory_resident() {
  std::ifstream file{"/proc/self/statm"};
  double all = 0;
  double resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1024;
}

std::string line(const char* format, auto... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

}  // namespace

soak_sample soak_sample::take(double at_s, std::uint64_t parked, std::uint64_t foreign) {
  soak_sample s;
  s.at_s = at_s;
  s.parked = parked;
  s.foreign = foreign;
  s.descriptors = entries("/proc/self/fd") - 1 - foreign;  // nor the one that looks
  s.threads = threads_that_stay();
  s.resident_kib = memory_resident();
  const auto heap = ::mallinfo2();
  s.heap_kib = static_cast<double>(heap.uordblks + heap.hblkhd) / 1024;
  return s;
}

trend trend_of(const std::vector<double>& at_s, const std::vector<double>& values) {
  const std::size_t n = values.size();
  if (n < 3) return {};
  double mean_x = 0;
  double mean_y = 0;
  for (std::size_t i = 0; i < n; ++i) {
    mean_x += at_s[i] / static_cast<double>(n);
    mean_y += values[i] / static_cast<double>(n);
  }
  double xx = 0;
  double xy = 0;
  for (std::size_t i = 0; i < n; ++i) {
    xx += (at_s[i] - mean_x) * (at_s[i] - mean_x);
    xy += (at_s[i] - mean_x) * (values[i] - mean_y);
  }
  if (xx == 0) return {};
  const double slope = xy / xx;
  double rest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double off = values[i] - mean_y - slope * (at_s[i] - mean_x);
    rest += off * off;
  }
  return {slope * 3600, std::sqrt(rest / static_cast<double>(n - 2) / xx) * 3600};
}

soak_verdict conclude(const std::vector<soak_sample>& samples) {
  soak_verdict v;
  v.samples = samples.size();
  if (samples.empty()) {
    v.complaints.emplace_back("no sample was taken");
    return v;
  }
  std::vector<double> at;
  std::vector<double> heap;
  std::vector<double> resident;
  for (std::size_t i = samples.size() / 4; i < samples.size(); ++i) {
    if (!samples[i].at_rest(samples.front())) continue;
    at.push_back(samples[i].at_s);
    heap.push_back(samples[i].heap_kib);
    resident.push_back(samples[i].resident_kib);
  }
  v.heap = trend_of(at, heap);
  v.resident = trend_of(at, resident);
  v.descriptors_at_first = samples.front().descriptors;
  v.descriptors_at_last = samples.back().descriptors;
  v.threads_at_first = samples.front().threads;
  v.threads_at_last = samples.back().threads;
  for (const soak_sample& s : samples) {
    v.most_descriptors = std::max(v.most_descriptors, s.descriptors);
    if (s.parked == 0 && s.descriptors != v.descriptors_at_first) {
      v.complaints.push_back(line("%.0f s: %llu descriptors, %llu at the start", s.at_s,
                                  static_cast<unsigned long long>(s.descriptors),
                                  static_cast<unsigned long long>(v.descriptors_at_first)));
    }
    if (s.threads != v.threads_at_first) {
      v.complaints.push_back(line("%.0f s: %llu threads, %llu at the start", s.at_s,
                                  static_cast<unsigned long long>(s.threads),
                                  static_cast<unsigned long long>(v.threads_at_first)));
    }
  }
  if (samples.back().parked != 0) v.complaints.emplace_back("parked cancel connections were still there at the end");
  if (!v.heap.flat()) {
    v.complaints.push_back(line("the heap grows by %.0f +- %.0f KiB/h", v.heap.per_hour, v.heap.error));
  }
  const auto at_rest = static_cast<std::size_t>(
      std::ranges::count_if(samples, [&samples](const soak_sample& s) { return s.at_rest(samples.front()); }));
  if (at_rest < least_samples) {
    v.complaints.push_back(line("only %zu samples at rest: too short to say anything of memory", at_rest));
  }
  return v;
}

std::string soak_table(const std::vector<soak_sample>& samples, const soak_verdict& v) {
  std::string out = "    time  descriptors  threads   resident KiB       heap KiB  parked\n";
  const std::size_t step = std::max<std::size_t>(1, samples.size() / 12);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (i % step != 0 && i + 1 != samples.size()) continue;
    const soak_sample& s = samples[i];
    out += line("%6.0f s  %11llu  %7llu  %13.0f  %13.0f  %6llu\n", s.at_s,
                static_cast<unsigned long long>(s.descriptors), static_cast<unsigned long long>(s.threads),
                s.resident_kib, s.heap_kib, static_cast<unsigned long long>(s.parked));
  }
  out += line("\n%zu samples. heap %+.0f +- %.0f KiB/h, resident %+.0f +- %.0f KiB/h (slope and its standard error)\n",
              v.samples, v.heap.per_hour, v.heap.error, v.resident.per_hour, v.resident.error);
  return out;
}

}  // namespace lido::storm
