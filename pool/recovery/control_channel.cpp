#include "pool/recovery/control_channel.hpp"

#include <algorithm>

namespace lido::inline v0::recovery {
namespace {

using time_point = control_channel::time_point;
using duration = control_channel::duration;

time_point after(time_point now, duration wait) noexcept {
  return wait > duration::zero() && now > time_point::max() - wait ? time_point::max() : now + wait;
}

// The server's clock is ours on a Unix socket: a backend that began after our connection was ready has taken its pid.
// Over TCP the port tells, which nobody else can have while our socket is open.
bool is_plausible(const backend& ours, std::int64_t started) noexcept {
  return !ours.end.is_unix() || started <= ours.known_at;
}

}  // namespace

std::string_view to_string(control_channel::state s) noexcept {
  using state = control_channel::state;
  switch (s) {
    case state::absent: return "absent";
    case state::opening: return "opening";
    case state::ready: return "ready";
    case state::asking:
    case state::busy: return "busy";
    case state::refused: return "refused";
    case state::untrusted: return "untrusted";
  }
  return "unspecified";
}

// ---- connections of ours ----

void control_channel::enrol(member who, backend what, time_point) {
  members_.insert_or_assign(who, enrolled{std::move(what), look::wanted});
  want_write();
}

void control_channel::leave(member who) noexcept { members_.erase(who); }

control_channel::admission control_channel::admits(std::int32_t pid, std::uint64_t name) {
  for (const ghost& g : ghosts_) {
    if (std::find(g.pids.begin(), g.pids.end(), pid) != g.pids.end()) return admission::close;
  }
  const auto named = std::find_if(statement_.begin(), statement_.end(),
                                  [pid](const row& r) { return r.kind == row_kind::cancel && r.target.pid == pid; });
  if (named == statement_.end()) return admission::use;
  waiting_.emplace_back(pid, name);
  return admission::wait;
}

// ---- wishes ----

bool control_channel::available(member who, time_point now) const noexcept {
  if (closing_ || ghosts_.size() >= most_ghosts) return false;
  const auto found = members_.find(who);
  if (found == members_.end() || found->second.state == look::unmatched) return false;
  switch (state_) {
    case state::absent: return true;
    case state::ready:
    case state::asking: return trusted_ || now < patient_until(begun_);
    case state::opening:
    case state::busy: return now < patient_until(begun_);  // else it is stuck: who comes now need not wait
    case state::refused:
    case state::untrusted: return now >= until_;
  }
  return false;
}

control_channel::ticket control_channel::submit(member who, time_point now) {
  if (!available(who, now)) return 0;
  const ticket t = ++last_ticket_;
  wishes_.emplace(t, wish{who, now, false});
  queue_.push_back(t);
  want_session(now);
  want_write();
  return t;
}

bool control_channel::withdraw(ticket which) noexcept {
  const auto found = wishes_.find(which);
  if (found == wishes_.end() || found->second.taken) return false;
  wishes_.erase(found);
  std::erase(queue_, which);
  return true;
}

void control_channel::settle(ticket which, outcome what) {
  if (wishes_.erase(which) != 0) work_.answers.push_back({which, what});
}

void control_channel::fail_queued() {
  for (const ticket t : std::exchange(queue_, {})) settle(t, outcome::missed);
}

// ---- the session ----

void control_channel::want_session(time_point now) {
  const bool may_try =
      state_ == state::absent || ((state_ == state::refused || state_ == state::untrusted) && now >= until_);
  if (!may_try || closing_) return;
  state_ = state::opening;
  begun_ = now;
  work_.open = true;
}

time_point control_channel::patient_until(time_point since) const noexcept {
  return after(since, trusted_ ? limits_.patience : limits_.open_patience);
}

bool control_channel::is_writable(ticket which) const noexcept {
  const auto wanted = wishes_.find(which);
  if (wanted == wishes_.end()) return false;
  const auto found = members_.find(wanted->second.who);
  return found != members_.end() && found->second.state == look::known;
}

bool control_channel::has_something_to_write() const noexcept {
  if (!trusted_) return true;
  if (std::any_of(members_.begin(), members_.end(), [](const auto& m) { return m.second.state == look::wanted; }))
    return true;
  return std::any_of(queue_.begin(), queue_.end(), [this](ticket t) { return is_writable(t); });
}

void control_channel::want_write() {
  if (state_ == state::ready && !closing_ && has_something_to_write()) work_.write = true;
}

void control_channel::opened(backend self, time_point now) {
  if (state_ != state::opening || closing_) {
    work_.close = true;
    return;
  }
  state_ = state::ready;
  self_ = std::move(self);
  trusted_ = false;
  used_ = now;
  probed_ = time_point::min();
  want_write();
}

void control_channel::open_failed(time_point now) {
  if (state_ == state::opening) back_off(now);
}

std::vector<control_channel::ticket> control_channel::take(time_point) {
  taken_.clear();
  if (state_ != state::ready || closing_) return {};
  state_ = state::asking;
  if (!trusted_ || ghosts_.size() >= most_ghosts) return {};
  std::deque<ticket> left;
  for (const ticket t : queue_) {
    if (taken_.size() < limits_.batch && is_writable(t)) {
      wishes_.at(t).taken = true;
      taken_.push_back(t);
    } else if (wishes_.contains(t)) {
      left.push_back(t);
    }
  }
  queue_ = std::move(left);
  return taken_;
}

void control_channel::add_looks(std::size_t room) {
  for (auto& [who, m] : members_) {
    if (room == 0) return;
    if (m.state != look::wanted) continue;
    m.state = look::asked;
    statement_.push_back({row_kind::look, who, m.what});
    --room;
  }
}

std::vector<control_channel::row> control_channel::write(const std::vector<ticket>& wanted, time_point now) {
  const auto wants = [&wanted](ticket t) { return std::find(wanted.begin(), wanted.end(), t) != wanted.end(); };
  const std::vector<ticket> taken = std::exchange(taken_, {});
  if (state_ != state::asking) {  // the session went meanwhile: nothing was written
    for (const ticket t : taken) settle(t, outcome::missed);
    return {};
  }
  statement_.clear();
  if (!trusted_) statement_.push_back({row_kind::self, 0, self_});
  for (const ghost& g : ghosts_) statement_.push_back({row_kind::ghost, g.number, g.session});
  std::size_t cancels = 0;
  for (const ticket t : taken) {
    const auto w = wishes_.find(t);
    if (w == wishes_.end()) continue;
    const auto m = members_.find(w->second.who);
    if (!wants(t)) {
      wishes_.erase(w);
    } else if (m == members_.end()) {
      settle(t, outcome::missed);  // its connection has closed since
    } else {
      statement_.push_back({row_kind::cancel, t, m->second.what});
      ++cancels;
    }
  }
  add_looks(limits_.batch - cancels);
  if (statement_.empty()) {
    state_ = state::ready;
    want_write();
    return {};
  }
  state_ = state::busy;
  if (trusted_) begun_ = now;
  written_ = probed_ = now;
  if (cancels > 0) ++statements_;
  return statement_;
}

// ---- how a statement ends ----

// Whatever it asked for and nobody was told of yet.
void control_channel::end_statement(outcome of_cancels, bool use_new_ones) {
  for (const row& r : std::exchange(statement_, {})) {
    if (r.kind == row_kind::cancel) settle(r.who, of_cancels);
    const auto m = r.kind == row_kind::look ? members_.find(r.who) : members_.end();
    if (m != members_.end() && m->second.state == look::asked) m->second.state = look::wanted;
  }
  for (const auto& [pid, name] : std::exchange(waiting_, {})) work_.admitted.emplace_back(name, use_new_ones);
}

void control_channel::read_row(const row& asked, const row_reply& got, const reply& all, time_point now) {
  switch (asked.kind) {
    case row_kind::self:
      trusted_ = all.self == self_.pid && got.started && is_plausible(self_, *got.started);
      self_.started = got.started;
      server_ = all.server;
      return;
    case row_kind::ghost:
      std::erase_if(ghosts_, [&](const ghost& g) {
        if (g.number != asked.who) return false;
        const bool is_gone = g.server == all.server && !got.started;
        return is_gone || (g.server != all.server && now >= after(g.since, limits_.ghost_memory));
      });
      return;
    case row_kind::look: {
      const auto m = members_.find(asked.who);
      if (m == members_.end() || m->second.state != look::asked || !trusted_) return;
      const bool matches = got.started && is_plausible(m->second.what, *got.started);
      m->second.state = matches ? look::known : look::unmatched;
      if (matches) m->second.what.started = got.started;
      return;
    }
    case row_kind::cancel: return settle(asked.who, got.signalled ? outcome::signalled : outcome::missed);
  }
}

void control_channel::replied(const reply& what, time_point now) {
  if (state_ != state::busy) return;
  if (what.rows.size() != statement_.size()) return lost(now);  // not our statement's answer, so it may still run
  const bool cancels =
      std::any_of(statement_.begin(), statement_.end(), [](const row& r) { return r.kind == row_kind::cancel; });
  for (std::size_t i = 0; i < statement_.size(); ++i) read_row(statement_[i], what.rows[i], what, now);
  end_statement(outcome::missed, true);
  if (what.self != self_.pid) trusted_ = false;  // a pooler, that has changed its mind
  if (!trusted_) {
    work_.close = true;
    return refuse(state::untrusted, limits_.untrusted_retry, now);
  }
  retry_ = duration::zero();
  state_ = state::ready;
  if (cancels) used_ = now;
  // Whose connection was found to be none of ours has another way to try.
  for (const ticket t : std::vector<ticket>(queue_.begin(), queue_.end())) {
    const auto m = members_.find(wishes_.at(t).who);
    if (m != members_.end() && m->second.state != look::unmatched) continue;
    std::erase(queue_, t);
    settle(t, outcome::missed);
  }
  want_write();
}

void control_channel::server_refused(bool for_long, time_point now) {
  if (state_ != state::busy) return;
  end_statement(outcome::missed, true);
  work_.close = true;
  if (for_long) retry_ = limits_.retry_max;
  back_off(now);
}

void control_channel::not_sent(time_point now) {
  if (state_ != state::busy) return;
  end_statement(outcome::missed, true);
  work_.close = true;
  back_off(now);
}

void control_channel::remember_ghost(time_point now) {
  ghost g{++last_ghost_, self_, server_, {}, now};
  for (const row& r : statement_) {
    if (r.kind == row_kind::cancel) g.pids.push_back(r.target.pid);
  }
  if (!g.pids.empty()) ghosts_.push_back(std::move(g));
}

void control_channel::lost(time_point now) {
  switch (state_) {
    case state::absent:
    case state::refused:
    case state::untrusted: return;
    case state::busy:
      remember_ghost(now);
      end_statement(outcome::unknown, false);
      break;
    case state::opening:
    case state::ready:
    case state::asking: break;
  }
  work_.close = true;
  back_off(now);
}

void control_channel::refuse(state how, duration wait, time_point now) {
  state_ = how;
  until_ = after(now, wait);
  trusted_ = false;
  work_.write = work_.open = false;
  fail_queued();
}

void control_channel::back_off(time_point now) {
  retry_ = std::clamp(2 * retry_, limits_.retry_min, limits_.retry_max);
  refuse(state::refused, retry_, now);
}

void control_channel::give_up_all(time_point now) {
  closing_ = true;
  lost(now);
  fail_queued();
}

// ---- time ----

void control_channel::tick(time_point now) {
  if (state_ == state::busy && now >= after(written_, limits_.answer_timeout)) lost(now);
  while (!queue_.empty()) {
    const auto w = wishes_.find(queue_.front());
    if (w != wishes_.end() && now < patient_until(w->second.since)) break;
    const ticket t = queue_.front();
    queue_.pop_front();
    settle(t, outcome::missed);
  }
  if (state_ != state::ready) return;
  if (is_useless() || (queue_.empty() && now >= after(used_, limits_.idle_timeout))) {
    state_ = state::absent;
    trusted_ = false;
    work_.write = false;
    work_.close = true;
  } else if (!ghosts_.empty() && now >= after(probed_, limits_.probe_interval)) {
    work_.write = true;
  }
}

time_point control_channel::next_deadline() const noexcept {
  time_point next = time_point::max();
  if (!queue_.empty()) {
    const auto w = wishes_.find(queue_.front());
    if (w != wishes_.end()) next = patient_until(w->second.since);
  }
  if (state_ == state::busy) next = std::min(next, after(written_, limits_.answer_timeout));
  if (state_ != state::ready) return next;
  next = std::min(next, after(used_, limits_.idle_timeout));
  return ghosts_.empty() ? next : std::min(next, after(probed_, limits_.probe_interval));
}

}  // namespace lido::inline v0::recovery
