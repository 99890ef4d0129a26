// What the tasks of a run have seen, counted while it runs.
#pragma once

#include "bench/storm/latency.hpp"
#include "bench/storm/verdict.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace lido::storm {

struct tally_snapshot {
  std::uint64_t operations = 0;
  std::uint64_t completed = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t unexpected = 0;
  std::uint64_t stray_cancels = 0;
  std::uint64_t interrupted = 0;                // by the end of the run; not among the operations
  std::map<std::string, std::uint64_t> errors;  // by condition; those of the verdict `unexpected` are not among them
  std::map<std::string, std::string> first_of;  // the words of the first error of each condition
  std::vector<std::string> examples;            // of what was unexpected or stray, the first few
  latency_summary cancel_latency;
  latency_summary acquire_latency;

  [[nodiscard]] std::uint64_t error_count() const noexcept;
};

class tally {
 public:
  void acquired(std::chrono::nanoseconds after) noexcept { acquire_.record(after); }
  /// `detail` is kept as an example when the verdict is a bad one, or the first of its kind of error. No control
  /// characters.
  void ended(const outcome& o, const std::string& detail);
  /// From the signal to the task's resumption.
  void resumed(std::chrono::nanoseconds after_signal) noexcept { cancel_.record(after_signal); }
  /// A breach of the contract that is no operation's outcome.
  void breach(const std::string& what);

  [[nodiscard]] tally_snapshot snapshot() const;

 private:
  using counter = std::atomic<std::uint64_t>;
  void keep_example(const std::string& text);

  counter operations_{0};
  counter completed_{0};
  counter cancelled_{0};
  counter unexpected_{0};
  counter stray_{0};
  counter interrupted_{0};
  latency_recorder cancel_;
  latency_recorder acquire_;
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> errors_;
  std::map<std::string, std::string> first_of_;
  std::vector<std::string> examples_;
};

}  // namespace lido::storm
