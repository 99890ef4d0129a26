#include "bench/storm/demo_phases.hpp"

#include "bench/storm/pool_rest.hpp"

#include <algorithm>
#include <utility>

namespace lido::storm {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using testing::cancel_fault;

constexpr auto cancel_delay = 40ms;  // of cancel_fault::delay

constexpr auto harm_interval = 120ms;

phase cancel_phase_of(cancel_fault fault, std::string name, std::string broken) {
  phase p;
  p.name = std::move(name);
  p.broken = std::move(broken);
  p.begin = [fault](demo_world& w) { w.proxy().set_cancel_fault(fault, cancel_delay); };
  p.end = [](demo_world& w) { w.proxy().set_cancel_fault(cancel_fault::none); };
  p.silent = fault == cancel_fault::silent_before_s || fault == cancel_fault::silent_after_s ||
             fault == cancel_fault::black_hole || fault == cancel_fault::never_answer;
  return p;
}

void add_cancel_phases(std::vector<phase>& all) {
  const auto add = [&all](cancel_fault fault, const char* name, const char* broken) {
    all.push_back(cancel_phase_of(fault, name, broken));
  };
  add(cancel_fault::refuse, "refused", "cancel connections are refused");
  add(cancel_fault::reset, "reset", "they are accepted, then reset");
  add(cancel_fault::close_on_ssl_request, "closed on SSLRequest", "closed when they ask for TLS (the seed's bug)");
  add(cancel_fault::close_after_s, "closed after S", "closed after the answer 'S' to that");
  add(cancel_fault::garbage_answer, "garbage", "answered with garbage instead of 'S'");
  add(cancel_fault::error_response_instead_of_s, "error", "answered with an ErrorResponse instead of 'S'");
  add(cancel_fault::silent_before_s, "silent before S", "never answered at all");
  add(cancel_fault::silent_after_s, "silent after S", "silent after 'S', in the midst of TLS");
  add(cancel_fault::wrong_certificate, "wrong certificate", "met by a certificate of another authority");
  add(cancel_fault::swallow, "swallowed", "CancelRequest swallowed, but confirmed by EOF");
  add(cancel_fault::black_hole, "black hole", "CancelRequest swallowed, and never confirmed");
  add(cancel_fault::delay, "delayed", "CancelRequest delayed by 40 ms");
  add(cancel_fault::duplicate, "duplicated", "CancelRequest delivered twice");
  add(cancel_fault::never_answer, "never confirmed", "CancelRequest delivered, never confirmed by EOF");
  add(cancel_fault::reset_after_write, "reset after it", "CancelRequest delivered, then reset instead of EOF");
  add(cancel_fault::truncate_tls, "TLS cut", "CancelRequest delivered, TLS cut without close_notify");
}

void kill_some_backends(demo_world& w) {
  (void)w.server().sql(
      "select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity where usename = '" +
      w.server().user() + "' order by random() limit 3) as victims");
}

std::vector<phase> server_phases() {
  phase frozen{"server frozen", "the postmaster is stopped: nobody accepts cancels", false, {}, {}, {}};
  frozen.answers = false;
  frozen.silent = true;
  frozen.begin = [](demo_world& w) { w.server().stop_postmaster(); };
  frozen.end = [](demo_world& w) { w.server().continue_postmaster(); };
  phase killed{"backends killed", "three backends killed every 120 ms", true, {}, kill_some_backends, {}};
  phase restarted{"server restarted", "the server is restarted, all connections die", true, {}, {}, {}};
  restarted.begin = [](demo_world& w) { w.server().restart(); };
  phase healthy{"healthy again", "nothing any more", false, {}, {}, {}};
  return {frozen, killed, restarted, healthy};
}

// The load runs, and every now and then something happens to it.
void endure(demo_world& world, storm_engine& storm, const phase& p, std::chrono::nanoseconds duration,
            phase_record& r) {
  const auto end = clock::now() + duration;
  bool counted = false;
  while (clock::now() < end) {
    const std::chrono::nanoseconds left = end - clock::now();
    if (storm.wait(std::min<std::chrono::nanoseconds>(left, harm_interval))) return;
    if (p.again) p.again(world);
    if (p.answers && !std::exchange(counted, true)) r.most_backends = world.backends();
  }
}

}  // namespace

std::vector<phase> all_phases() {
  std::vector<phase> all{phase{"healthy", "nothing", false, {}, {}, {}}};
  add_cancel_phases(all);
  for (phase& p : server_phases()) all.push_back(std::move(p));
  return all;
}

load_settings demo_load(std::uint64_t seed) {
  load_settings l;
  l.tasks = 48;
  l.sql = "select $1::bigint from pg_sleep(" + std::to_string(victim_sleep.count()) + " / 1000.0)";
  l.cancel_ratio = 0.25;
  l.cancel_after_min = 1ms;
  l.cancel_after_max = 15ms;
  l.seed = seed;
  l.statement_deadline = 10s;
  return l;
}

phase_record run_phase(demo_world& world, const phase& p, std::chrono::nanoseconds duration, std::uint64_t seed) {
  phase_record r;
  r.name = p.name;
  r.broken = p.broken;
  r.may_disconnect = p.may_disconnect;
  r.cancel_budget = demo_world::patient_cancel;
  if (p.silent) r.cancel_budget = demo_world::brief_cancel;
  world.wait_for_cancels(r.cancel_budget);
  r.before = world.pool().stats();
  r.scraped_before = world.scrape_metrics();

  tally seen;
  storm_engine storm{world.executor(), world.pool(), demo_load(seed), seen};
  const std::chrono::nanoseconds budget = longest_recovery(world.config());
  storm.start();
  if (p.begin) p.begin(world);
  endure(world, storm, p, duration, r);
  storm.stop();
  if (!p.answers && p.end) p.end(world);  // who waits for a connection gets one only from a server that answers
  if (!storm.wait(world.config().acquire_timeout + budget)) seen.breach("tasks that never came back");
  r.slots_leaked = slots_in_use(world.pool(), budget);
  if (p.answers && p.end) p.end(world);

  const auto mended = clock::now();
  r.full_again = holds_within(budget, [&world] { return world.full(); });
  r.refill = clock::now() - mended;
  (void)holds_within(2s, [&] { return world.backends_running("pg_sleep") == 0; });
  r.left_running = world.backends_running("pg_sleep");
  r.seen = seen.snapshot();
  r.after = world.pool().stats();
  r.scraped_after = world.scrape_metrics();
  return r;
}

}  // namespace lido::storm
