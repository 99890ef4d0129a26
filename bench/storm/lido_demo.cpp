// lido-demo: a private PostgreSQL under load while its cancel path is broken in every way in turn, backends are killed
// and the server is restarted. Prints what was broken, what callers saw, what it cost, and what an operator would have
// seen.
#include "bench/storm/demo_phases.hpp"
#include "bench/storm/demo_record.hpp"
#include "bench/storm/demo_world.hpp"
#include "bench/storm/report.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace lido::storm;
using namespace std::chrono_literals;

struct demo_options {
  std::chrono::milliseconds phase_length{700};
  std::string metrics_address = "127.0.0.1:0";
};

demo_options parse(const std::vector<std::string>& arguments) {
  demo_options o;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--quick") {
      o.phase_length = 250ms;
    } else if (arguments[i] == "--metrics" && i + 1 < arguments.size()) {
      o.metrics_address = arguments[++i];
    } else {
      throw std::invalid_argument("usage: lido-demo [--quick] [--metrics ADDR:PORT]");
    }
  }
  return o;
}

std::string ms(std::chrono::nanoseconds d) {
  return grouped(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count())) + " ms";
}

void introduce(const demo_world& world) {
  std::cout
      << "One pool of " << demo_world::connections
      << " connections (TLS verify-full, SCRAM) to a private PostgreSQL, through a proxy that breaks\n"
      << "things. " << demo_load(0).tasks
      << " tasks share it: three quarters of their statements are short and have to bring back the task's own\n"
      << "number; one quarter sleep and are cancelled after 1 to 15 ms. Each phase breaks one thing on purpose. "
         "The promise:\n"
      << "a cancelled task sees operation_aborted at once and nothing else, no other task notices, the pool "
         "stays full.\n"
      << "A statement that is to be cancelled sleeps " << victim_sleep.count()
      << " ms: when its cancel cannot be delivered, it ends by itself, and its connection is recovered all the same.\n"
      << "The pool waits " << ms(demo_world::patient_cancel) << " for the end of a cancel, and "
      << ms(demo_world::brief_cancel) << " where the fault is that nothing comes; it tries once more after "
      << ms(world.config().cancel.retry_after) << ",\nand waits " << ms(world.config().drain.timeout)
      << " for the end of the cancelled statement. What exceeds a budget, or ends without a proper EOF, is "
         "discarded (cancel_unknown).\n"
      << "With nothing broken, and where a cancel cannot be sent, (nearly) every connection is recovered.\n"
      << "Metrics while it runs: http://127.0.0.1:" << world.metrics_port() << "/metrics\n\n"
      << std::flush;
}

std::vector<phase_record> run_all(demo_world& world, const demo_options& o) {
  std::vector<phase_record> records;
  const std::vector<phase> phases = all_phases();
  std::uint64_t seed = 1;
  for (const phase& p : phases) {
    std::cout << "  phase " << right_padded(std::to_string(records.size() + 1), 2) << " of " << phases.size() << ": "
              << p.broken << std::flush;
    records.push_back(run_phase(world, p, o.phase_length, seed++));
    const phase_record& r = records.back();
    std::cout << " - " << (r.breaches(demo_world::connections + r.after.orphaned).empty() ? "kept" : "BROKEN") << "\n"
              << std::flush;
  }
  return records;
}

std::uint64_t conclude(const std::vector<phase_record>& records, std::uint64_t slots_kept) {
  std::cout << "\nWhat was broken, what callers noticed, what it cost\n\n"
            << phase_table(records)
            << "\n resumed: from the cancel to the task's next step. other errors: besides operation_aborted. "
               "recovered: connections won back"
               "\n from cancelled statements without a reconnect. waits at most: for the end of a cancel. slot back: "
               "from the cancel until the connection was "
               "usable or closed.\n"
            << "\nWhat an operator would have seen: growth of the series scraped over HTTP, phase by phase\n\n"
            << operator_table(records) << "\n";
  std::uint64_t breaches = 0;
  std::uint64_t operations = 0;
  std::uint64_t cancelled = 0;
  for (const phase_record& r : records) {
    operations += r.seen.operations;
    cancelled += r.seen.cancelled;
    for (const std::string& b : r.breaches(demo_world::connections + r.after.orphaned)) {
      std::cout << "BROKEN in phase '" << r.name << "': " << b << "\n";
      ++breaches;
    }
  }
  if (slots_kept != 0) {
    std::cout << "BROKEN: " << slots_kept << " slots were not given back by the close\n";
    ++breaches;
  }
  std::cout << grouped(operations) << " operations, " << grouped(cancelled) << " cancelled: "
            << (breaches == 0 ? "every task saw only its own result or its own cancellation, and the pool is full.\n"
                              : "promises were broken, see above.\n");
  return breaches;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const demo_options o = parse({argv + 1, argv + argc});
    const auto begin = std::chrono::steady_clock::now();
    demo_world world{o.metrics_address};
    introduce(world);
    if (!holds_within(10s, [&world] { return world.full(); })) throw std::runtime_error("the pool could not be filled");
    const std::vector<phase_record> records = run_all(world, o);
    const std::uint64_t breaches = conclude(records, world.shut_down());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << (breaches == 0 ? "OK" : "FAILED") << " in " << static_cast<int>(took.count()) << " s\n";
    return breaches == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "lido-demo: " << e.what() << "\n";
    return 2;
  }
}
