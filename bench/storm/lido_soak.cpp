// lido-soak: the demo's world for as long as you like. Every five seconds something random breaks under load; then the
// load stops, the pool has to be full again, and the process is measured: descriptors and threads have to be what they
// were, memory must not grow.
#include "bench/storm/demo_phases.hpp"
#include "bench/storm/demo_record.hpp"
#include "bench/storm/demo_world.hpp"
#include "bench/storm/report.hpp"
#include "bench/storm/soak_samples.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace lido::storm;
using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto period = 5s;
constexpr auto load_for = 4s;
constexpr auto parked_for = 65s;  // a cancel connection without an end is kept for a minute

struct soak_options {
  std::chrono::duration<double> length = 10min;
  std::uint64_t seed = 1;
};

soak_options parse(const std::vector<std::string>& arguments) {
  soak_options o;
  for (std::size_t i = 0; i + 1 < arguments.size(); i += 2) {
    if (arguments[i] == "--minutes") {
      o.length = std::chrono::duration<double, std::ratio<60>>{std::strtod(arguments[i + 1].c_str(), nullptr)};
    } else if (arguments[i] == "--seed") {
      o.seed = std::strtoull(arguments[i + 1].c_str(), nullptr, 10);
    } else {
      throw std::invalid_argument("usage: lido-soak [--minutes N] [--seed N]");
    }
  }
  if (arguments.size() % 2 != 0 || o.length <= 0s)
    throw std::invalid_argument("usage: lido-soak [--minutes N] [--seed N]");
  return o;
}

// The demo's, and what hurts the sessions themselves.
std::vector<phase> faults() {
  std::vector<phase> all = all_phases();
  phase reset{"sessions reset", "RST on every session", true, {}, {}, {}};
  reset.begin = [](demo_world& w) { w.proxy().kill_main(); };
  phase closed{"sessions closed", "FIN on every session", true, {}, {}, {}};
  closed.begin = [](demo_world& w) { w.proxy().close_main(); };
  phase crashed{"server crashed", "an immediate shutdown", true, {}, {}, {}};
  crashed.begin = [](demo_world& w) { w.server().restart(lido::testing::stop_mode::immediate); };
  phase sliced{"sliced", "seven bytes at a time", false, {}, {}, {}};
  sliced.begin = [](demo_world& w) { w.proxy().shape_main({{}, {}, 7}); };
  sliced.end = [](demo_world& w) { w.proxy().shape_main({}); };
  for (phase* p : {&reset, &closed, &crashed, &sliced}) all.push_back(std::move(*p));
  return all;
}

class soak {
 public:
  explicit soak(const soak_options& o) : options_{o}, random_{o.seed} {
    if (!holds_within(10s, [this] { return world_.full(); })) throw std::runtime_error("the pool could not be filled");
  }

  int run() {
    const std::vector<phase> all = faults();
    one_period(all.front());  // healthy: what is made once is made
    operations_ = cancelled_ = 0;
    samples_.clear();
    measure();
    while (elapsed() < options_.length) {
      const auto end = clock::now() + period;
      one_period(all[random_() % all.size()]);
      measure();
      (void)holds_within(end - clock::now(), [] { return false; });
    }
    (void)holds_within(parked_for, [this] { return parked() == 0; });
    measure();
    return report();
  }

 private:
  [[nodiscard]] std::chrono::duration<double> elapsed() const { return clock::now() - begin_; }
  [[nodiscard]] soak_sample look() {
    return soak_sample::take(elapsed().count(), parked(), world_.proxy().open_sockets());
  }
  [[nodiscard]] std::uint64_t parked() { return world_.proxy().counters().active_cancel; }

  void one_period(const phase& p) {
    const phase_record r = run_phase(world_, p, load_for, random_());
    operations_ += r.seen.operations;
    cancelled_ += r.seen.cancelled;
    for (const std::string& b : r.breaches(demo_world::connections + r.after.orphaned)) {
      breaches_.push_back(p.name + ": " + b);
    }
  }

  // At equal load: none, and the pool full.
  void measure() {
    if (!holds_within(10s, [this] { return world_.full(); })) breaches_.emplace_back("the pool was not full again");
    // The proxy and the metrics' server learn a little later that a connection has ended.
    (void)holds_within(2s, [this] {
      const soak_sample now = look();
      return !samples_.empty() && now.at_rest(samples_.front()) && now.descriptors == samples_.front().descriptors;
    });
    samples_.push_back(look());
  }

  int report() {
    const soak_verdict v = conclude(samples_);
    std::cout << soak_table(samples_, v);
    breaches_.insert(breaches_.end(), v.complaints.begin(), v.complaints.end());
    if (const std::uint64_t kept = world_.shut_down(); kept != 0) {
      breaches_.push_back(grouped(kept) + " slots were not given back by the close");
    }
    for (const std::string& b : breaches_) std::cout << "BROKEN: " << b << "\n";
    std::cout << grouped(operations_) << " operations, " << grouped(cancelled_) << " cancelled, seed " << options_.seed
              << "\n"
              << (breaches_.empty() ? "OK" : "FAILED") << "\n";
    return breaches_.empty() ? 0 : 1;
  }

  soak_options options_;
  std::mt19937_64 random_;
  demo_world world_{"127.0.0.1:0"};
  clock::time_point begin_ = clock::now();
  std::vector<soak_sample> samples_;
  std::vector<std::string> breaches_;
  std::uint64_t operations_ = 0;
  std::uint64_t cancelled_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    return soak{parse({argv + 1, argv + argc})}.run();
  } catch (const std::exception& e) {
    std::cerr << "lido-soak: " << e.what() << "\n";
    return 2;
  }
}
