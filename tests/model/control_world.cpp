#include "tests/model/control_world.hpp"

#include <algorithm>

namespace lido::model {
namespace {

using std::chrono::milliseconds;

constexpr int most_events = 300;
constexpr std::int32_t pids = 4;  // of users' backends; the control sessions' are others

recovery::control_channel::limits limits() {
  recovery::control_channel::limits l;
  l.batch = 2;
  l.patience = milliseconds(40);
  l.open_patience = milliseconds(25);
  l.answer_timeout = milliseconds(60);
  l.idle_timeout = milliseconds(400);
  l.retry_min = milliseconds(5);
  l.retry_max = milliseconds(20);
  l.untrusted_retry = milliseconds(50);
  l.probe_interval = milliseconds(20);
  l.ghost_memory = std::chrono::hours(1);
  return l;
}

}  // namespace

control_world::control_world(std::uint64_t seed, const control_mutant& wrong, control_tally& counts)
    : random_(seed), wrong_(wrong), counts_(counts), subject_(limits()), now_(std::chrono::hours(1)), unix_(false) {
  unix_ = one_in(2);
}

// splitmix64
std::uint64_t control_world::next_random() {
  std::uint64_t z = (random_ += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

void control_world::require(bool holds, const char* rule) {
  if (!holds && broken_ == nullptr) broken_ = rule;
}

const char* control_world::run() {
  for (int i = 0; i < most_events && broken_ == nullptr; ++i) {
    ++counts_.steps;
    if (one_in(8)) now_ += milliseconds(below(one_in(6) ? 50 : 4));
    subject_.tick(now_);
    perform();
    one_event();
    perform();
  }
  return broken_;
}

void control_world::one_event() {
  connection& c = connections_[below(connections_.size())];
  switch (below(10)) {
    case 0:
    case 1: return c.state == use::none ? connect(c) : user(c);
    case 2: return ready_for_query(c);
    case 3: return death_is_seen(c);
    case 4: return server_step();
    case 5: return stranger();
    case 6:
    case 7:
    case 8:
      if (!statements_.empty() && !one_in(3)) return statement_step(statements_[below(statements_.size())]);
      return session_step();
    default: return session_step();
  }
}

// ---- the server ----

control_world::process* control_world::holder(std::int32_t pid) {
  const auto found =
      std::find_if(processes_.begin(), processes_.end(), [pid](const process& p) { return p.pid == pid; });
  return found == processes_.end() ? nullptr : &*found;
}

std::optional<control_world::process> control_world::fork(bool ours) {
  const auto pid = static_cast<std::int32_t>(1 + below(pids));
  if (holder(pid) != nullptr) return std::nullopt;
  process p;
  p.pid = pid;
  p.started = ++server_clock_;
  p.ours = ours;
  if (!unix_) p.end = {"192.0.2.1", ++next_port_};
  processes_.push_back(p);
  return p;
}

void control_world::stranger() {
  if (auto p = fork(false)) holder(p->pid)->does = work::innocent;
}

void control_world::server_step() {
  if (processes_.empty()) return;
  const std::size_t i = below(processes_.size());
  process& p = processes_[i];
  if (p.does != work::nothing && !one_in(4)) {
    p.does = work::nothing;
    if (!p.ours) p.does = work::innocent;  // a stranger is always at work
    return;
  }
  if (one_in(2)) processes_.erase(processes_.begin() + static_cast<std::ptrdiff_t>(i));
}

void control_world::look_up(statement& s) {
  for (const channel::row& row : s.rows) {
    if (row.kind == channel::row_kind::self) {
      s.found.emplace_back(s.backend.started);
      continue;
    }
    if (row.kind == channel::row_kind::ghost) {
      const bool lives = std::any_of(statements_.begin(), statements_.end(),
                                     [&row](const statement& o) { return o.backend.pid == row.target.pid; });
      s.found.push_back(lives ? row.target.started : std::nullopt);
      continue;
    }
    const process* const p = holder(row.target.pid);
    const bool same_end =
        p != nullptr && p->end.address == row.target.end.address && p->end.port == row.target.end.port;
    const bool same_start = p != nullptr && (!row.target.started || *row.target.started == p->started);
    const bool looks_right =
        wrong_.bare_pid && row.kind == channel::row_kind::cancel ? p != nullptr : same_end && same_start;
    s.found.push_back(looks_right ? std::optional(p->started) : std::nullopt);
  }
}

// Whoever has the pid now is hit: control.pml's signal().
void control_world::signal(const channel::row& row, const statement&) {
  ++counts_.signals;
  process* const p = holder(row.target.pid);
  if (p == nullptr) return;
  const bool innocent = p->does == work::innocent;
  require(!(p->ours && innocent), "I3: a query of ours that nobody cancelled was hit");
  if (!p->ours && innocent) ++counts_.strangers_hit;
  p->does = p->ours ? work::nothing : work::innocent;
}

void control_world::statement_step(statement& s) {
  if (one_in(30)) s.frozen = !s.frozen;
  if (s.frozen) return;
  switch (s.where) {
    case statement::place::on_the_wire:
      look_up(s);
      s.where = statement::place::looked_up;
      return;
    case statement::place::looked_up: {
      if (s.signals_done < s.rows.size()) {
        const std::size_t i = s.signals_done++;
        channel::row_reply r{s.found[i], false};
        if (s.rows[i].kind == channel::row_kind::cancel && s.found[i]) {
          signal(s.rows[i], s);
          r.signalled = true;
        }
        s.reply.rows.push_back(r);
        return;
      }
      s.reply.self = s.backend.pid;
      s.reply.server = 7;
      s.where = statement::place::answered;
      return;
    }
    case statement::place::answered: {
      const statement done = std::move(s);
      std::erase_if(statements_, [&](const statement& o) { return o.session == done.session; });
      if (session_ && done.session == session_number_) subject_.replied(done.reply, now_);
      return;
    }
  }
}

// ---- our session ----

void control_world::write_statement() {
  const auto tickets = subject_.take(now_);
  std::vector<channel::ticket> wanted;
  for (const auto t : tickets) {
    const auto c =
        std::find_if(connections_.begin(), connections_.end(), [t](const connection& o) { return o.wish == t; });
    if (c == connections_.end() || !c->owed) continue;  // the fence's may_write()
    c->written = true;
    wanted.push_back(t);
  }
  if (one_in(40)) subject_.lost(now_);
  auto rows = subject_.write(wanted, now_);
  if (rows.empty()) return;
  if (!session_ || one_in(40)) return subject_.not_sent(now_);
  ++counts_.statements;
  statement s;
  s.rows = std::move(rows);
  s.backend = *session_;
  s.session = session_number_;
  statements_.push_back(std::move(s));
}

void control_world::session_step() {
  if (opening_) {
    opening_ = false;
    if (one_in(8)) return subject_.open_failed(now_);
    process p;
    p.pid = static_cast<std::int32_t>(1000 + session_number_);
    p.started = ++server_clock_;
    if (!unix_) p.end = {"192.0.2.1", ++next_port_};
    session_ = p;
    ++session_number_;
    return subject_.opened({p.pid, p.end, ++server_clock_, std::nullopt}, now_);
  }
  if (session_ && one_in(25)) {
    subject_.lost(now_);
  } else if (session_ && one_in(25) && subject_.now_in() == channel::state::busy) {
    std::erase_if(statements_, [&](const statement& s) { return s.session == session_number_; });
    subject_.server_refused(one_in(2), now_);
  }
}

void control_world::perform() {
  for (int i = 0; i < 20; ++i) {
    channel::work w = subject_.take_work();
    if (w.empty()) return;
    // Closing our end does not stop a busy backend: its statement goes on.
    if (w.close) session_.reset();
    for (const auto& a : w.answers) outcome_of(a);
    for (const auto& [name, use_it] : w.admitted) admitted(name, use_it);
    if (w.open) opening_ = true;
    if (w.write) write_statement();
  }
  require(false, "I5: it goes on for ever without anything happening");
}

// ---- our connections ----

void control_world::connect(connection& c) {
  const auto p = fork(true);
  if (!p) return;
  c = {};
  c.pid = p->pid;
  c.started = p->started;
  c.name = ++next_member_;
  auto verdict = subject_.admits(c.pid, c.name);
  if (wrong_.no_pid_fence) verdict = channel::admission::use;
  if (wrong_.forgets_ghosts && verdict == channel::admission::close) verdict = channel::admission::use;
  switch (verdict) {
    case channel::admission::use: c.state = use::idle; break;
    case channel::admission::wait:
      ++counts_.waited;
      c.state = use::waiting;
      break;
    case channel::admission::close: ++counts_.closed_unused; return close(c);
  }
  subject_.enrol(c.name, {c.pid, p->end, ++server_clock_, std::nullopt}, now_);
}

void control_world::admitted(std::uint64_t name, bool use_it) {
  for (connection& c : connections_) {
    if (c.name != name || c.state != use::waiting) continue;
    if (use_it || wrong_.forgets_ghosts) {
      c.state = use::idle;
    } else {
      ++counts_.closed_unused;
      close(c);
    }
  }
}

void control_world::user(connection& c) {
  process* const p = holder(c.pid);
  const bool lives = p != nullptr && p->ours && p->started == c.started;
  if (c.state == use::idle) {
    const bool cancelled = one_in(2);
    c.owed = true;
    c.state = cancelled ? use::cancelling : use::innocent;
    if (lives) p->does = cancelled ? work::abandoned : work::innocent;
    if (!cancelled) ++counts_.innocents;
    c.written = false;
    if (cancelled) c.wish = subject_.submit(c.name, now_);
  }
}

void control_world::ready_for_query(connection& c) {
  const process* const p = holder(c.pid);
  const bool lives = p != nullptr && p->ours && p->started == c.started;
  if (!c.owed || !lives || p->does != work::nothing) return;
  c.owed = false;
  if (c.state == use::innocent) {
    c.state = use::idle;
    return;
  }
  if (c.wish != 0 && !c.written) {
    if (subject_.withdraw(c.wish)) ++counts_.withdrawn;
    c.wish = 0;
  }
  if (c.wish == 0) c.state = use::idle;  // nothing of ours is under way
}

void control_world::outcome_of(const channel::answer& a) {
  for (connection& c : connections_) {
    if (c.wish != a.which) continue;
    c.wish = 0;
    switch (a.what) {
      case channel::outcome::signalled: ++counts_.signalled; break;
      case channel::outcome::missed:
        ++counts_.missed;
        break;  // a CancelRequest would follow; its fence is another model's
      case channel::outcome::unknown:
        require(c.written, "unknown, though it was not written");
        ++counts_.unknown;
        if (!wrong_.unknown_is_missed) return close(c);
    }
    if (!c.owed && c.state == use::cancelling) c.state = use::idle;
  }
}

// Our end closes; the backend notices some day.
void control_world::close(connection& c) {
  subject_.leave(c.name);
  if (c.wish != 0) (void)subject_.withdraw(c.wish);
  if (process* const p = holder(c.pid); p != nullptr && p->started == c.started && p->does == work::innocent)
    p->does = work::nothing;  // its user went first
  c = {};
}

void control_world::death_is_seen(connection& c) {
  if (c.state == use::none) return;
  const process* const p = holder(c.pid);
  if (p == nullptr || p->started != c.started) close(c);
}

}  // namespace lido::model
