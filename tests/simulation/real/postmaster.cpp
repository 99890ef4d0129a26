#include "tests/simulation/real/postmaster.hpp"

#include "tests/simulation/real/session.hpp"

#include <algorithm>

namespace simulation {

using namespace std::chrono_literals;
using lido::recovery::socket_end;

namespace {

constexpr std::int32_t pids = 30;
constexpr std::ptrdiff_t most_strangers = 6;

}  // namespace

std::int64_t wall_clock() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// ---- processes ----

std::optional<std::int32_t> postmaster::free_pid() {
  // The last one that became free, as often as not.
  const auto first = server_.chance(50) ? last_freed_ - 1 : static_cast<std::int32_t>(server_.below(pids));
  for (std::int32_t i = 0; i < pids; ++i) {
    const std::int32_t pid = 1 + (first + i) % pids;
    // Two processes with one pid and one microsecond of start are one too many, even here.
    if (!processes_.contains(pid) && freed_[pid] + 10 < wall_clock()) return pid;
  }
  return std::nullopt;
}

process_ptr postmaster::fork(const socket_end& end, bool same_user) {
  const auto pid = free_pid();
  if (!pid) return nullptr;
  auto made = std::make_shared<process>();
  made->pid = *pid;
  made->started = wall_clock();
  made->end = end;
  made->same_user = same_user;
  processes_.emplace(*pid, made);
  if (server_.note) server_.note("process " + std::to_string(*pid) + " begins");
  return made;
}

void postmaster::end(const process_ptr& who) {
  if (!who || !who->alive) return;
  who->leaving = true;
  if (who->statements == 0) kill(who);
}

// Its pid may have a new owner very soon.
void postmaster::kill(const process_ptr& who) {
  if (!who || !who->alive) return;
  who->alive = false;
  if (server_.note) server_.note("process " + std::to_string(who->pid) + " ends");
  processes_.erase(who->pid);
  freed_[who->pid] = wall_clock();
  last_freed_ = who->pid;
  if (who->stranger || !server_.chance(30)) return;
  server_.time().after(20us + server_.some(3ms), [this, pid = who->pid] { stranger(pid); });
}

process_ptr postmaster::find(std::int32_t pid) const {
  const auto found = processes_.find(pid);
  return found == processes_.end() ? nullptr : found->second;
}

bool postmaster::has_port(std::int32_t port) const {
  return std::ranges::any_of(processes_, [port](const auto& p) { return p.second->end.port == port; });
}

void postmaster::stranger(std::int32_t pid) {
  const auto there = std::ranges::count_if(processes_, [](const auto& p) { return p.second->stranger; });
  if (processes_.contains(pid) || there >= most_strangers) return;
  auto made = std::make_shared<process>();
  made->pid = pid;
  made->started = wall_clock();
  made->end = server_.client_end();
  made->same_user = server_.chance(60);
  made->stranger = true;
  processes_.emplace(pid, std::move(made));
}

void postmaster::strangers_come_and_go() {
  std::vector<process_ptr> all;
  for (const auto& [pid, who] : processes_) {
    if (who->stranger) all.push_back(who);
  }
  if (!all.empty() && server_.chance(50)) return kill(all[server_.below(all.size())]);
  if (const auto pid = free_pid()) stranger(*pid);
}

void postmaster::signal(const process_ptr& whom) {
  if (!whom || !whom->alive) return;
  if (const auto session = whom->ours.lock()) session->interrupt();
}

// ---- the control session's statement ----

// Where each step may be the last: the process is killed, or the answer is lost.
bool postmaster::stopped(const control_ptr& what) {
  if (what->by->alive) return false;
  what->executed = true;
  std::erase(calls_, what);
  return true;
}

void postmaster::execute(const control_ptr& what) {
  ++what->by->statements;
  calls_.push_back(what);
  if (server_.note) {
    std::string named;
    for (const control_call::row& r : what->rows) named += (r.kill ? " cancel " : " look ") + std::to_string(r.pid);
    server_.note("process " + std::to_string(what->by->pid) + " is asked to" + named);
  }
  const bool stuck = server_.chance(server_.today.drags);
  server_.time().after(server_.some(stuck ? 20'000ms : 3ms), [this, what] { look_up(what); });
}

void postmaster::look_up(const control_ptr& what) {
  if (stopped(what)) return;
  for (control_call::row& r : what->rows) {
    const process_ptr who = find(r.pid);
    const bool matches = who && who->same_user && who->end.port == r.end.port && who->end.address == r.end.address &&
                         (!r.started || *r.started == who->started);
    if (!matches) continue;
    r.found = who;
    if (r.kill) server_.require(!who->stranger, "a cancel was aimed at another user's statement");
  }
  // Microseconds in life; here, long enough for a pid to change hands.
  server_.time().after(server_.some(server_.chance(20) ? 30ms : 2ms), [this, what] { send_signals(what); });
}

void postmaster::send_signals(const control_ptr& what) {
  if (stopped(what)) return;
  bool forbidden = false;
  for (control_call::row& r : what->rows) {
    if (!r.kill || !r.found) continue;
    forbidden = server_.chance(server_.today.errs);  // 42501: this row and the ones behind it
    if (forbidden) break;
    // Look-up and signal are two moments: whoever has the pid now.
    const process_ptr whom = find(r.pid);
    r.signalled = whom != nullptr;
    if (!whom) continue;
    ++server_.seen.control_signals;
    // Nobody can close that window, and two lanes are strangers to each other in it.
    if (whom->stranger || whom->lane != what->lane) {
      ++server_.seen.window;
    } else {
      signal(whom);
    }
  }
  what->executed = true;
  if (server_.note) server_.note("process " + std::to_string(what->by->pid) + " has signalled");
  std::erase(calls_, what);
  const auto takes = server_.some(server_.chance(10) ? 400ms : 3ms);
  server_.time().after(takes, [this, what, forbidden] { answer(what, forbidden); });
}

void postmaster::answer(const control_ptr& what, bool forbidden) {
  if (!what->by->alive) return;
  over(what);
  if (server_.chance(server_.today.swallows)) return;
  if (const auto to = what->client.lock()) to->control_answered(what, forbidden);
}

void postmaster::over(const control_ptr& what) {
  if (--what->by->statements == 0 && what->by->leaving) kill(what->by);
}

bool postmaster::threatens(const process& who, std::size_t lane) const {
  return std::ranges::any_of(calls_, [&](const control_ptr& c) {
    return c->lane == lane && c->by->alive && c->written <= who.started &&
           std::ranges::any_of(c->rows, [&](const control_call::row& r) {
             return r.kill && r.pid == who.pid && r.started && *r.started != who.started;
           });
  });
}

}  // namespace simulation
