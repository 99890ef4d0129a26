// lido-storm: the load generator. See options.cpp for what it does, or run it with --help.
#include "bench/storm/live_display.hpp"
#include "bench/storm/metrics_server.hpp"
#include "bench/storm/options.hpp"
#include "bench/storm/pool_rest.hpp"
#include "bench/storm/rehearsal.hpp"
#include "bench/storm/report.hpp"
#include "bench/storm/runtime.hpp"
#include "bench/storm/storm_engine.hpp"

#include <lido/pool/pool.hpp>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <system_error>
#include <utility>

namespace {

using namespace lido::storm;
using namespace std::chrono_literals;

constexpr int exit_good = 0;
constexpr int exit_broken_promise = 1;
constexpr int exit_no_run = 2;

lido::pool_config configuration(const options& o) {
  lido::pool_config cfg =
      o.config_file.empty() ? lido::pool_config::from_dsn(o.dsn) : lido::pool_config::load(o.config_file);
  if (!o.config_file.empty() && !o.dsn.empty()) cfg.connect = lido::connect_config::parse(o.dsn);
  if (o.connections) {
    cfg.max_size = *o.connections;
    cfg.min_size = std::min(cfg.min_size, cfg.max_size);
  }
  if (o.channel) cfg.cancel.channel = *o.channel;
  return cfg;
}

// Where the JSON goes; the table has standard output unless that is where.
class json_target {
 public:
  // Throws when the file cannot be written: before the run, not after it.
  explicit json_target(const std::string& name) : name_{name} {
    if (name.empty() || name == "-") return;
    file_.open(name, std::ios::app);  // what is there stays until there is something better
    if (!file_) throw bad_usage("--json: cannot write " + name + ": " + std::strerror(errno));
    file_.close();
  }

  [[nodiscard]] bool on_stdout() const noexcept { return name_ == "-"; }

  // False when it could not be written whole.
  bool write(const std::string& text) {
    if (name_.empty()) return true;
    if (on_stdout()) return static_cast<bool>(std::cout << text << std::flush);
    file_.open(name_, std::ios::trunc);
    return static_cast<bool>(file_ << text << std::flush);
  }

 private:
  std::string name_;
  std::ofstream file_;
};

void run_load(storm_engine& storm, const options& o, tally& seen, const lido::pool& pool, run_result& r) {
  const live_display display{o.json_file == "-" ? STDERR_FILENO : STDOUT_FILENO, !o.quiet};
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [begin] { return std::chrono::duration<double>{std::chrono::steady_clock::now() - begin}; };
  const bool by_time = o.load.operations == 0;
  storm.start();
  bool ended = false;
  while (!ended && !(by_time && elapsed() >= o.seconds)) {
    const auto left = by_time ? o.seconds - elapsed() : std::chrono::duration<double>{1};
    ended = storm.wait(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::min<std::chrono::duration<double>>(left, 200ms)));
    display.show(live_line(seen.snapshot(), pool.stats(), elapsed()));
  }
  storm.cut();
  // Cancelled, a task resumes on its next turn. What one that never came back would have been is unknown; that it did
  // not is a breach.
  if (!storm.wait(10s)) seen.breach(grouped(storm.running()) + " tasks never came back");
  r.took = elapsed();
}

// The first signal ends the run and lets its result be printed; the second one ends the program.
class interrupts {
 public:
  interrupts(asio::io_context& io, storm_engine& storm) : signals_{io, SIGINT, SIGTERM}, storm_{storm} { wait(); }

 private:
  void wait() {
    signals_.async_wait([this](std::error_code ec, int number) {
      if (ec) return;
      if (std::exchange(seen_, true)) ::_exit(128 + number);
      storm_.cut();
      wait();
    });
  }

  asio::signal_set signals_;
  storm_engine& storm_;
  bool seen_ = false;
};

int write_results(const options& o, const run_result& r, json_target& target) {
  std::ostream& people = target.on_stdout() ? std::cerr : std::cout;
  if (!o.quiet && !(people << table(r) << std::flush)) {
    std::cerr << "lido-storm: cannot write the table: " << std::strerror(errno) << "\n";
    return exit_no_run;
  }
  if (!target.write(json(r))) {
    std::cerr << "lido-storm: cannot write " << o.json_file << ": " << std::strerror(errno) << "\n";
    return exit_no_run;
  }
  return r.good() ? exit_good : exit_broken_promise;
}

int run(const options& o) {
  json_target target{o.json_file};
  const lido::pool_config cfg = configuration(o);
  tally seen;  // outlives the threads
  runtime threads{o.threads};
  // A server that cannot be reached, or a DSN that is wrong, is told once and not once for each operation.
  rehearse(threads.io().get_executor(), cfg, o.load);
  lido::pool pool{threads.io().get_executor(), cfg};
  std::unique_ptr<metrics_server> metrics;
  if (!o.metrics_address.empty()) metrics = std::make_unique<metrics_server>(o.metrics_address, pool);

  storm_engine storm{threads.io().get_executor(), pool, o.load, seen};
  const interrupts on_signal{threads.io(), storm};

  run_result r;
  r.seed = o.load.seed;
  r.tasks = o.load.tasks;
  run_load(storm, o, seen, pool, r);
  r.slots_leaked = slots_in_use(pool, longest_recovery(cfg));
  r.pool = pool.stats();
  r.slots_leaked += slots_left_by_close(pool, longest_recovery(cfg));
  r.seen = seen.snapshot();
  const int status = write_results(o, r, target);
  metrics.reset();
  threads.stop();
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const options o = options::parse({argv + 1, argv + argc});
    if (o.help) {
      return std::cout << usage() << std::flush ? exit_good : exit_no_run;
    }
    return run(o);
  } catch (const bad_usage& e) {
    std::cerr << "lido-storm: " << e.what() << "\n" << usage();
  } catch (const std::exception& e) {
    std::cerr << "lido-storm: " << e.what() << "\n";
  }
  return exit_no_run;
}
