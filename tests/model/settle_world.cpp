#include "tests/model/settle_world.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace lido::model {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// What weight_ is indexed by.
enum kind : std::size_t { send, serve, deliver, data, dial, travel, misfortune, odd };

constexpr int most_events = 200;    // then the schedule only waits for deadlines
constexpr int most_wake_ups = 200;  // more than this and it does not end
constexpr int most_innocents = 60;

}  // namespace

settle_world::settle_world(std::uint64_t seed, fence& subject, const world_rules& rules, tally& counts)
    : random_(seed), subject_(subject), rules_(rules), counts_(counts), now_(std::chrono::hours(1)) {}

// splitmix64
std::uint64_t settle_world::next_random() {
  std::uint64_t z = (random_ += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

verdict settle_world::run() {
  choose_profile();
  start();
  int wakes = 0;
  for (int i = 0; !over_ && wakes < most_wake_ups; ++i) {
    ++counts_.steps;
    const bool only_time = i >= most_events || one_in(waits_);
    if (only_time) {
      now_ = std::max(now_, subject_.next_deadline());
      ++wakes;
    } else {
      pass_time();
    }
    // A deadline and an event that fall together come in either order.
    const bool deadline_first = one_in(2);
    if (deadline_first) wake();
    if (!only_time && !over_) one_event();
    if (!over_) wake();
    if (!over_) check_bound();
  }
  require(over_, "I5: it does not end");
  if (is_quiet_) after_the_fence();
  return verdict_;
}

// ---- the schedule ----

void settle_world::choose_profile() {
  // Half of the schedules are of a world that mostly works: only there the late stages are reached often.
  const bool healthy = one_in(2);
  constexpr std::array<unsigned, 4> weights{0, 1, 4, 4};
  for (unsigned& w : weight_) w = healthy ? 4 : weights[below(weights.size())];
  weight_[odd] = one_in(4) ? 1 : 0;
  if (healthy) weight_[send] = 12;
  has_control_ = one_in(3);
  waits_ = healthy ? 40 : 8;
  weight_[misfortune] = one_in(3) ? 1 : 0;

  budgets_.cancel_timeout = milliseconds(1 + below(1000));
  budgets_.retry_after = milliseconds(below(300));
  budgets_.drain_timeout = milliseconds(1 + below(1000));
  budgets_.drain_max_bytes = one_in(3) ? below(3000) : 100000;
  const bool discard = rules_.only_discard || one_in(6);
  budgets_.after = discard                            ? cancel_after::discard
                   : one_in(20) && rules_.check_rules ? cancel_after::never
                                                      : cancel_after::recover;
  permission_ = one_in(20)  ? cancel_permission::forbidden
                : one_in(8) ? cancel_permission::drain_only
                : one_in(4) ? cancel_permission::late
                : one_in(4) ? cancel_permission::early
                            : cancel_permission::allowed;
}

void settle_world::start() {
  ready_seen_ = one_in(10);
  const bool in_copy = permission_ == cancel_permission::late;  // or a portal is open: it runs
  const bool begun = permission_ == cancel_permission::early;   // the head of a pipeline, whatever of it is written
  backend_ = ready_seen_ ? backend::idle : in_copy || begun ? backend::running : backend::unread;
  segments_ = begun || one_in(6) ? 1 + static_cast<unsigned>(below(4)) : 1;
  many_ = segments_ > 1;
  bytes_out_ = !one_in(3);
  flushed_told_ = bytes_out_ && !one_in(3);
  began_ = now_;
  bound_ = now_ + 2 * (budgets_.cancel_timeout + budgets_.drain_timeout);
  apply(subject_.begin(budgets_, permission_, ready_seen_ ? 0 : segments_, flushed_told_, now_));
}

void settle_world::pass_time() {
  switch (below(6)) {
    case 0: now_ += milliseconds(below(20)); return;
    case 1: now_ += one_in(6) ? milliseconds(below(400)) : milliseconds(0); return;
    case 2:
    case 3: now_ += microseconds(below(1000)); return;
    default: return;
  }
}

void settle_world::wake() {
  const time_point due = subject_.next_deadline();
  const bool due_now = now_ >= due;
  if (!due_now && !one_in(8)) return;  // a timer may also fire for nothing
  const state before = observed();
  const std::size_t attempts_before = attempts_;
  const settle_step step = subject_.tick(now_);
  apply(step);
  if (!due_now)
    return require(step.close == give_up::none && !step.quiet && !step.start_cancel,
                   "something happened before it was due");
  const event what = attempts_ > attempts_before ? event::retry : event::deadline;
  ++counts_.taken[static_cast<std::size_t>(before)][static_cast<std::size_t>(what)];
}

void settle_world::one_event() {
  unsigned total = 0;
  for (const unsigned w : weight_) total += w;
  if (total == 0) return;
  std::uint64_t pick = below(total);
  std::size_t what = 0;
  while (pick >= weight_[what]) pick -= weight_[what++];
  switch (what) {
    case send: return our_bytes_move();
    case serve:
    case deliver: return backend_moves();
    case data: return bytes_arrive();
    case dial: return cancel_socket_moves();
    case travel: return packet_moves(one_in(4) ? 1 : std::max<std::size_t>(attempts_, 1));
    case misfortune:
      if (one_in(2)) return hurry();
      if (one_in(4)) {
        count(event::lost);
        return apply(subject_.lost(now_));
      }
      return;
    default: return noise();
  }
}

// What a correct owner would not report, and what must not matter: repetitions, ends of sockets that are not there.
void settle_world::noise() {
  switch (below(5)) {
    case 0:
      if (!flushed_told_) return;
      count(event::flushed);
      return apply(subject_.flushed(now_));
    case 1:
      if (!ready_seen_) return;
      count(event::ready);
      return apply(subject_.ready(now_));
    case 2:
      if (socket_ == socket::open) return;
      count(event::eof);
      failed_ = failed_ || socket_ == socket::dialling;
      socket_ = socket::closed;  // a cancel connection that ended before anything was written
      return apply(subject_.cancel_eof(now_));
    case 3:
      if (socket_ != socket::closed) return;
      count(event::failed);
      return apply(subject_.cancel_failed(cancel_phase::connect, now_));
    default:
      if (socket_ == socket::dialling) return;
      count(event::may_write);
      return require(!subject_.may_write(), "a first byte was granted without a cancel connection");
  }
}

// ---- our side of the main socket ----

void settle_world::our_bytes_move() {
  if (!bytes_out_) {
    bytes_out_ = true;
  } else if (!flushed_told_) {
    count(event::flushed);
    flushed_told_ = true;
    apply(subject_.flushed(now_));
  }
}

void settle_world::bytes_arrive() {
  const std::size_t bytes = one_in(20) ? budgets_.drain_max_bytes + 1 : below(200);
  count(received_ + bytes > budgets_.drain_max_bytes ? event::received_over : event::received_within);
  received_ += bytes;
  apply(subject_.received(bytes, now_));
}

void settle_world::hurry() {
  settle_budgets smaller;
  smaller.cancel_timeout = milliseconds(below(1200));
  smaller.retry_after = milliseconds(below(300));
  smaller.drain_timeout = milliseconds(below(1200));
  smaller.drain_max_bytes = one_in(3) ? below(4000) : 1000000;
  smaller.after = one_in(4) ? cancel_after::discard : cancel_after::recover;
  count(event::hurry);
  const settle_step step = subject_.hurry(smaller, now_);
  budgets_.cancel_timeout = std::min(budgets_.cancel_timeout, smaller.cancel_timeout);
  budgets_.retry_after = std::min(budgets_.retry_after, smaller.retry_after);
  budgets_.drain_timeout = std::min(budgets_.drain_timeout, smaller.drain_timeout);
  budgets_.drain_max_bytes = std::min(budgets_.drain_max_bytes, smaller.drain_max_bytes);
  budgets_.after = std::max(budgets_.after, smaller.after);
  bound_ = std::min(bound_, now_ + 2 * (budgets_.cancel_timeout + budgets_.drain_timeout));
  apply(step);
}

// ---- the server ----

void settle_world::backend_moves() {
  switch (backend_) {
    case backend::idle: return;
    case backend::unread:
      if (bytes_out_ || users_query_) backend_ = backend::running;
      return;
    case backend::running:
      if (one_in(4)) backend_ = backend::answered;
      return;
    case backend::answered:
      backend_ = backend::idle;
      if (users_query_) return;
      if (--segments_ > 0) return next_segment();
      count(event::ready);
      ready_seen_ = true;
      return apply(subject_.ready(now_));
  }
}

void settle_world::next_segment() {
  backend_ = bytes_out_ && one_in(2) ? backend::running : backend::unread;
  tried_ = 0;
  apply(subject_.segment_over(now_));
}

// A signal is ignored unless the backend runs something (cancellation.md 2.2).
void settle_world::kill() {
  ++counts_.signals;
  if (backend_ != backend::running) return;
  if (users_query_) verdict_.harmed = true;
  backend_ = backend::answered;
}

void settle_world::packet_moves(std::size_t attempt) {
  packet& p = packets_[attempt];
  const bool may_lie = rules_.eof_lies && (p == packet::flying || p == packet::one_kill);
  if (may_lie && one_in(3)) return deliver_eof(attempt);
  switch (p) {
    case packet::none: return;
    case packet::flying: {
      const std::uint64_t fate = below(8);
      if (fate == 0) {
        p = packet::none;  // lost on its way; nobody will say so
      } else if (fate == 1) {
        p = packet::two_kills;  // wrong key, a pooler that dropped it: EOF without a signal
      } else {
        kill();
        p = packet::one_kill;
      }
      return;
    }
    case packet::one_kill:
      kill();
      p = packet::two_kills;
      return;
    case packet::two_kills: p = packet::none; return deliver_eof(attempt);
  }
}

// ---- the cancel socket, our end ----

// The control session answers that it found nothing to signal, or could not even write: nothing is on its way.
void settle_world::control_misses() {
  count(event::missed);
  const bool another_way = one_in(2);
  socket_ = socket::closed;
  packets_[attempts_] = packet::none;
  first_byte_out_[attempts_] = false;
  by_control_ = false;
  failed_ = true;
  again_ = another_way && !ready_seen_;
  apply(subject_.cancel_missed(another_way, now_));
  require(!again_, "a miss with another way to go was the end");
}

void settle_world::cancel_socket_moves() {
  const bool may_miss = by_control_ && (socket_ == socket::dialling || packets_[attempts_] == packet::flying);
  if (may_miss && socket_ != socket::closed && one_in(3)) return control_misses();
  if (socket_ == socket::dialling && one_in(4)) {
    constexpr std::array phases{cancel_phase::resolve, cancel_phase::connect, cancel_phase::tls};
    count(event::failed);
    socket_ = socket::closed;
    failed_ = true;
    apply(subject_.cancel_failed(phases[below(phases.size())], now_));
  } else if (socket_ == socket::dialling) {
    count(event::may_write);
    const bool granted = subject_.may_write();
    require(granted, "the first byte of an open cancel connection was refused");
    if (!granted) return;
    socket_ = socket::open;
    first_byte_out_[attempts_] = true;
    if (!one_in(10)) packets_[attempts_] = packet::flying;  // else the write breaks off, and the server cannot use it
  } else if (socket_ == socket::open && one_in(6)) {
    count(event::failed);
    socket_ = socket::closed;
    failed_ = true;
    apply(subject_.cancel_failed(one_in(2) ? cancel_phase::write : cancel_phase::eof, now_));
  }
}

void settle_world::deliver_eof(std::size_t attempt) {
  if (socket_ != socket::open || attempt != attempts_) return;  // parked, or given up
  count(event::eof);
  socket_ = socket::closed;
  eof_seen_[attempt] = true;
  ++tried_;
  apply(subject_.cancel_eof(now_));
}

// ---- the oracle ----

void settle_world::require(bool holds, const char* rule) {
  if (!holds && rules_.check_rules && verdict_.violation == nullptr) verdict_.violation = rule;
}

state settle_world::observed() const {
  if (!subject_.active()) return state::over;
  const bool doomed = received_ > budgets_.drain_max_bytes || last_;
  switch (subject_.cancel()) {
    case cancel_state::connecting: return doomed ? state::doomed_connecting : state::connecting;
    case cancel_state::written:
      return doomed ? state::doomed_written : ready_seen_ ? state::written_ready : state::written;
    case cancel_state::eof:
      return many_ && (last_ || budgets_.after != cancel_after::recover) ? state::doomed_draining : state::draining_eof;
    default: break;
  }
  if (!flushed_told_) return ready_seen_ ? state::flushing_ready : state::flushing;
  return state::draining;
}

void settle_world::apply(const settle_step& step) {
  const bool acts =
      step.start_cancel || step.drop_cancel || step.park_cancel || step.quiet || step.close != give_up::none;
  require(!(over_ && acts), "something happened after the end");
  require(!(step.start_cancel && step.drop_cancel), "a cancel was started and dropped in one step");
  if (over_) return;
  failed_ = failed_ || step.drop_cancel || step.park_cancel;  // its time was over
  if (step.drop_cancel) {
    require(socket_ == socket::dialling, "a cancel connection was dropped that was not opening");
    socket_ = socket::closed;
  }
  if (step.park_cancel) {
    require(socket_ == socket::open && step.close != give_up::none,
            "a cancel connection was parked that was not written");
    socket_ = socket::closed;
  }
  if (step.start_cancel) on_start();
  if (step.quiet) on_quiet();
  if (step.close != give_up::none) on_close(step.close);
  require(over_ != subject_.active(), "active() is not what the steps said");
}

void settle_world::on_start() {
  const bool in_copy = permission_ == cancel_permission::late;
  const bool begun = permission_ == cancel_permission::early;
  const bool by_policy = begun || permission_ == cancel_permission::allowed;
  require((by_policy && budgets_.after != cancel_after::never) || in_copy, "I7, I15: a cancel that is not allowed");
  require(!ready_seen_, "a cancel though nothing is owed");
  require(socket_ == socket::closed, "I8: two cancels in flight");
  if (std::exchange(again_, false)) {
    socket_ = socket::dialling;
    return;
  }
  require(many_ || attempts_ < (early_ ? 3U : 2U), "one attempt too many");
  require(attempts_ == 0 || eof_seen_[attempts_] || (early_ && !first_byte_out_[attempts_]),
          "another attempt though the last has not ended well");
  if (attempts_ == 0) {
    const bool over_bytes = received_ > budgets_.drain_max_bytes;
    const bool may_run = in_copy || begun;
    early_ = may_run && !flushed_told_;
    last_ = over_bytes || (!flushed_told_ && !may_run);
    const auto patience = may_run ? std::min(budgets_.retry_after, budgets_.drain_timeout) : budgets_.drain_timeout;
    require(over_bytes || (flushed_told_ && !in_copy) || now_ >= began_ + patience,
            "the fence: a CancelRequest before the request was written to its Sync");
  }
  if (attempts_ < most_attempts) {
    ++attempts_;
  } else {  // of many segments: what became of the last one is forgotten, once nothing of it is on its way
    first_byte_out_[attempts_] = eof_seen_[attempts_] = false;
  }
  by_control_ = has_control_;
  socket_ = socket::dialling;
}

void settle_world::on_quiet() {
  over_ = true;
  is_quiet_ = true;
  ++counts_.quiet;
  require(ready_seen_, "quiet: ReadyForQuery is owed");
  require(flushed_told_, "quiet: bytes of ours are not written");
  require(socket_ == socket::closed, "quiet: a cancel connection is open");
  require(!last_, "the fence: a CancelRequest before the request was written to its Sync");
  for (std::size_t i = 1; i <= attempts_; ++i) {
    require(!first_byte_out_[i] || eof_seen_[i], "I4: quiet with a cancel that may be on its way");
    require(!first_byte_out_[i] || budgets_.after == cancel_after::recover, "discard: quiet after a cancel was sent");
  }
}

void settle_world::on_close(give_up why) {
  over_ = true;
  ++counts_.closed[static_cast<std::size_t>(why)];
  require(socket_ == socket::closed, "closed, and the cancel connection forgotten");
  const bool bytes_over = received_ > budgets_.drain_max_bytes;
  const bool given_time = many_ && !bytes_over && now_ < bound_ && permission_ != cancel_permission::drain_only;
  const bool left_alone = !ready_seen_ && !failed_ && tried_ < 2 && given_time;
  switch (why) {
    case give_up::none: return;
    case give_up::no_key: return require(permission_ == cancel_permission::forbidden, "no_key, with a key");
    case give_up::policy: return require(budgets_.after == cancel_after::never, "policy, without one");
    case give_up::cancel_unknown:
      return require(first_byte_out_[attempts_] && !eof_seen_[attempts_], "unknown, though known");
    case give_up::cancel_failed:
      return require(attempts_ > 0 && !first_byte_out_[attempts_], "cancel_failed, though it was written");
    case give_up::drain_timeout:
      require((permission_ == cancel_permission::late && attempts_ > 0) ||
                  (!ready_seen_ && (attempts_ == 0 || eof_seen_[attempts_])),
              "drain_timeout, though it was something else");
      return require(!owed_a_cancel(), "I9: closed while owed, not cancelled");
    case give_up::drain_bytes:
      require(bytes_over, "drain_bytes within the budget");
      return require(!owed_a_cancel(), "I9: closed while owed, not cancelled");
    case give_up::write_stalled:
      require(!flushed_told_ || last_ || attempts_ > 0, "write_stalled, though written");
      require(!left_alone, "I9: closed with a segment that was not cancelled");
      return require(!owed_a_cancel(), "I9: closed while owed, not cancelled");
    case give_up::discarded:
      require(!left_alone, "I9: discarded with a segment that was not cancelled");
      return require(budgets_.after == cancel_after::discard && attempts_ > 0, "discarded, without being asked to");
    case give_up::lost: return;
  }
}

// But where all its time was taken away at once.
bool settle_world::owed_a_cancel() const {
  return !ready_seen_ && attempts_ == 0 && permission_ != cancel_permission::drain_only && now_ < bound_;
}

void settle_world::check_bound() {
  require(subject_.next_deadline() <= bound_, "I5: it means to wait for longer than its budgets");
  require(now_ < bound_, "I5: it is not over after its budgets");
}

// The next user's queries, a few and as long as anything of our cancels is still on its way: none of them may be hit.
void settle_world::after_the_fence() {
  users_query_ = true;
  const auto gone = [](packet p) { return p == packet::none; };
  for (int i = 0; i < most_innocents && (i < 8 || !std::all_of(packets_.begin(), packets_.end(), gone)); ++i) {
    if (backend_ == backend::idle) {
      backend_ = backend::unread;
      ++counts_.innocent_queries;
    }
    if (one_in(2)) {
      backend_moves();
    } else {
      packet_moves(1 + below(most_attempts));
    }
  }
}

}  // namespace lido::model
