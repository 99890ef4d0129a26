#include "tests/model/replay.hpp"

#include <algorithm>
#include <sstream>

namespace lido::model {
namespace {

core::limits limits_of(const replay_settings& settings) {
  core::limits l;
  l.max_size = settings.max_size;
  l.max_lifetime = {};
  l.idle_timeout = {};
  l.validate_after_idle = {};
  l.stall_gap = {};
  l.connect_backoff_min = l.connect_backoff_max = {};
  return l;
}

}  // namespace

replay::replay(const replay_settings& settings)
    : settings_{settings}, book_{limits_of(settings), now_}, connections_(settings.max_size) {}

replay::~replay() {
  for (client& c : clients_) book_.cancel(c.node, now_, actions_);
}

bool replay::refused_a(std::string_view event) const {
  return std::any_of(refused_.begin(), refused_.end(), [&](const std::string& l) { return l.starts_with(event); });
}

void replay::step(const std::string& line) {
  line_ = line;
  std::istringstream in{line};
  std::string event;
  std::size_t n = 0;
  in >> event >> n;
  if (!dispatch(event, n)) refused_.push_back(line);
  perform();
  check();
}

bool replay::dispatch(const std::string& event, std::size_t n) {
  if (event == "offer" || event == "grant" || event == "forced" || event == "hit") return true;  // consequences
  if (event == "connect") {
    if (ordered_.empty()) return false;
    // The mutant's slot was free already; ours is not, and has another one's number from here.
    if (connections_.at(n).exists && state_of(connections_[n]) != core::slot_state::absent) {
      connections_.push_back(std::move(connections_[n]));
    }
    connections_[n] = {};
    connections_[n].id = ordered_.front();
    connections_[n].exists = true;
    ordered_.erase(ordered_.begin());
    return true;
  }
  if (event == "begin_close") return book_.begin_close(now_, actions_), true;
  if (event == "force_close") return book_.force_close(now_, actions_), true;
  if (event == "new_generation") return book_.new_generation(now_, actions_), true;
  static constexpr std::array users{"acquire", "leaves",        "resume",         "cancels_grant", "query",   "commit",
                                    "release", "release_dirty", "cancels_unsent", "partial",       "terminal"};
  if (std::find(users.begin(), users.end(), event) != users.end()) return user_event(event, clients_.at(n), n);
  return connections_.at(n).exists && connection_event(event, n);
}

// --- users -----------------------------------------------------------------------------------------------------------

bool replay::user_event(const std::string& event, client& c, std::size_t n) {
  if (event == "acquire") {
    if (c.is != task::detached) return false;
    const auto result = book_.acquire(c.node, now_, actions_);
    if (result == core::acquire_result::granted) c.is = task::granted;
    if (result == core::acquire_result::queued) c.is = task::queued;
    return true;
  }
  if (event == "leaves" || event == "cancels_grant") {
    if (c.is != (event == "leaves" ? task::queued : task::granted)) return false;
    c.is = task::detached;
    return book_.cancel(c.node, now_, actions_);
  }
  if (event == "resume") {
    if (c.is != task::granted) return false;
    c.is = book_.resume(c.node, now_, actions_) ? task::holding : task::queued;
    return true;
  }
  connection* held = held_by(c);
  if (held == nullptr) return false;
  if (event == "query" || event == "commit") {
    if (c.is != task::holding) return false;
    c.is = task::pending;
    held->user = n;
    held->op = work::unsent;
    held->commit = event == "commit";
    return true;
  }
  if (event == "partial" || event == "terminal") return cancel_running(c, event == "terminal");
  if (event == "cancels_unsent") {
    if (c.is != task::pending || held->op != work::unsent) return false;
    held->op = work::none;
    c.is = task::holding;
    return true;
  }
  if (c.is != task::holding) return false;  // release, release_dirty
  c.is = task::detached;
  book_.release(c.node.lease(), event == "release" ? core::condition::clean : core::condition::needs_recovery, now_,
                actions_);
  return true;
}

bool replay::cancel_running(client& c, bool terminal) {
  connection& held = *held_by(c);
  if (c.is != task::pending || held.op == work::unsent) return false;
  if (!terminal) {
    if (held.commit || held.op == work::draining) return false;
    held.op = work::draining;
    begin_fence(held);
    return true;
  }
  // The engine's order: the lease is revoked, the core asks for a recovery, the recovery settles.
  c.is = task::detached;
  book_.revoked(c.node.lease(), now_, actions_);
  return true;
}

void replay::begin_fence(connection& c) {
  const bool commit = c.about == statement::commit;
  if (c.about == statement::users) c.about = statement::abandoned;
  c.quiet = false;
  c.settle = settings_.make_fence();
  settle_budgets budgets;
  budgets.after = settings_.after;
  const unsigned owed = c.is == backend::ready ? 0 : 1;
  const auto permission = commit ? cancel_permission::drain_only : cancel_permission::allowed;
  apply(c, c.settle->begin(budgets, permission, owed, true, now_));
}

// --- connections -----------------------------------------------------------------------------------------------------

bool replay::connection_event(const std::string& event, std::size_t n) {
  connection& c = connections_[n];
  const core::slot_state state = state_of(c);
  if (event == "connected" || event == "connect_failed") {
    if (state != core::slot_state::connecting) return false;
    if (event == "connected") {
      book_.connected(c.id, now_, actions_);
    } else {
      book_.connect_failed(c.id, false, now_, actions_);
    }
    return true;
  }
  if (event == "closed") {  // the server's own end of it: not while the backend works on
    if (state != core::slot_state::closing || c.running_on) return false;
    book_.closed(c.id, false, now_, actions_);
    return true;
  }
  if (event == "disconnected" || event == "endpoint_lost") {
    if (state == core::slot_state::closing || state == core::slot_state::absent) return false;
    const auto scope = event == "disconnected" ? core::disconnect_scope::connection : core::disconnect_scope::endpoint;
    forget(c);
    book_.disconnected(c.id, scope, now_, actions_);
    return true;
  }
  return server_event(event, c) || cancel_event(event, c) || recovery_event(event, c);
}

bool replay::server_event(const std::string& event, connection& c) {
  if (event == "first_byte") {
    if (c.op != work::unsent) return false;
    if (c.settle && c.settle->active()) broken("I3: a user's first byte is written before the fence holds");
    c.op = work::sent;
    c.is = backend::unread;
    c.about = c.commit ? statement::commit : statement::users;
    return true;
  }
  if (event == "reads") return c.is == backend::unread && (c.is = backend::running, true);
  if (event == "ends") return c.is == backend::running && (c.is = backend::answered, true);
  if (event == "gone") return c.running_on && !(c.running_on = false);
  if (event != "ready" || c.is != backend::answered) return false;
  c.is = backend::ready;
  if (c.settle && c.settle->active()) {
    apply(c, c.settle->ready(now_));
  } else if (c.op == work::sent) {
    c.op = work::none;
    c.about = statement::nobodys;
    clients_[c.user].is = task::holding;
  }
  return true;
}

bool replay::cancel_event(const std::string& event, connection& c) {
  const bool ours = c.settle && c.settle->active();
  const cancel_state known = ours ? c.settle->cancel() : cancel_state::none;
  if (event == "cancel_failed" || event == "cancel_lost") {
    const bool early = event == "cancel_failed";
    if (known != (early ? cancel_state::connecting : cancel_state::written)) return false;
    apply(c, c.settle->cancel_failed(early ? cancel_phase::connect : cancel_phase::eof, now_));
    return true;
  }
  if (event == "cancel_written") {
    if (known != cancel_state::connecting || !c.settle->may_write()) return false;
    if (c.about == statement::commit) broken("I15: COMMIT is sent a CancelRequest");
    c.cancel = packet::flying;
    return true;
  }
  if (event == "packet_lost") return c.cancel == packet::flying && (c.cancel = packet::none, true);
  if (event == "no_signal") return c.cancel == packet::flying && (c.cancel = packet::two_signals, true);
  if (event == "signal") return signal(c);
  if (event != "eof" && event != "early_eof") return false;
  if (event == "eof") {
    if (c.cancel != packet::two_signals) return false;
    c.cancel = packet::none;
  }
  if (known == cancel_state::written) apply(c, c.settle->cancel_eof(now_));
  return true;
}

bool replay::signal(connection& c) {
  if (c.cancel != packet::flying && c.cancel != packet::one_signal) return false;
  c.cancel = c.cancel == packet::flying ? packet::one_signal : packet::two_signals;
  if (c.is != backend::running) return true;
  if (c.about == statement::users || c.about == statement::commit) broken("I3: a user's statement is hit");
  if (c.about == statement::pools) broken("I3: the pool's own statement is hit");
  c.is = backend::answered;
  return true;
}

// What the mutant's recovery did: the real one does it only when the fence has said so.
bool replay::recovery_event(const std::string& event, connection& c) {
  const bool recovering = state_of(c) == core::slot_state::recovering;
  if (event == "retry" || event == "given_up") {
    if (event == "given_up" && recovering && c.quiet && c.is != backend::ready) {  // reset.timeout
      give_up(c);
      return true;
    }
    if (!c.settle || !c.settle->active()) return false;
    let_deadlines_pass(c);
    return true;
  }
  if (!c.quiet || c.is != backend::ready) return false;
  if (event == "quiet") {
    if (c.op != work::draining) return false;
    c.op = work::none;
    c.about = statement::nobodys;
    clients_[c.user].is = task::holding;
    return true;
  }
  if (!recovering) return false;
  if (event == "roll_back") {
    if (c.about == statement::pools) return false;
    c.about = statement::pools;
    c.is = backend::unread;
    return true;
  }
  if (event != "recovered") return false;
  c.about = statement::nobodys;
  book_.recovered(c.id, true, core::close_reason::broken, now_, actions_);
  return true;
}

// The trace has no clock: a deadline is the time until the fence says something.
void replay::let_deadlines_pass(connection& c) {
  const auto until = c.settle->next_deadline();
  if (until == time_point::max()) return;
  now_ = std::max(now_, core::time_point{until.time_since_epoch()});
  apply(c, c.settle->tick(now_));
}

void replay::apply(connection& c, const settle_step& step) {
  if (step.quiet) c.quiet = true;
  if (step.close != give_up::none) give_up(c);
}

void replay::give_up(connection& c) {
  const bool recovering = state_of(c) == core::slot_state::recovering;
  forget(c);
  if (recovering) {
    book_.recovered(c.id, false, core::close_reason::recovery_failed, now_, actions_);
  } else {
    book_.disconnected(c.id, core::disconnect_scope::connection, now_, actions_);
  }
}

// Our end of the connection is over: what is under way carries a key that no backend has any more.
void replay::forget(connection& c) {
  if (c.op != work::none && c.user < max_clients && held_by(clients_[c.user]) == &c)
    clients_[c.user].is = task::holding;
  if (c.is != backend::ready) c.running_on = true;
  c.is = backend::ready;
  c.about = statement::nobodys;
  c.cancel = packet::none;
  c.op = work::none;
  c.settle.reset();
}

// --- the pool's shell ------------------------------------------------------------------------------------------------

void replay::perform() {
  for (std::size_t i = 0; i < actions_.size(); ++i) {  // performing one may append others
    const core::action a = actions_[i];
    const auto user = std::find_if(clients_.begin(), clients_.end(), [&](const client& c) { return &c.node == a.who; });
    switch (a.kind) {
      case core::action_kind::connect: ordered_.push_back(a.slot); break;
      case core::action_kind::grant:
        user->is = task::granted;
        if (book_.slots()[a.slot.index].generation != book_.statistics().generation) broken("a condemned one is lent");
        break;
      case core::action_kind::fail: user->is = task::detached; break;
      case core::action_kind::recover: start_recovery(a.slot); break;
      case core::action_kind::close:
        if (connection* c = at(a.slot)) forget(*c);
        break;
      case core::action_kind::finished: finished_ = true; break;
      default: broken("an action that the replay does not know"); break;
    }
  }
  actions_.clear();
}

void replay::start_recovery(core::slot_id id) {
  connection& c = *at(id);
  for (client& each : clients_) {
    if (each.is == task::pending && each.node.lease() == id) each.is = task::detached;
  }
  c.op = work::none;
  if (!c.settle || !c.settle->active()) begin_fence(c);
}

core::slot_state replay::state_of(const connection& c) const {
  const core::slot& s = book_.slots()[c.id.index];
  return s.incarnation == c.id.incarnation ? s.state : core::slot_state::absent;
}

replay::connection* replay::at(core::slot_id id) {
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [&](const connection& c) { return c.exists && c.id == id; });
  return found == connections_.end() ? nullptr : &*found;
}

replay::connection* replay::held_by(const client& c) {
  return c.is == task::holding || c.is == task::pending ? at(c.node.lease()) : nullptr;
}

// --- rules -----------------------------------------------------------------------------------------------------------

void replay::broken(const char* rule) {
  if (violation_.empty()) violation_ = std::string(rule) + ", at: " + line_;
}

void replay::check() {
  const auto count = [&](core::slot_state s) { return book_.slots().count(s); };
  if (book_.slots().occupied() > settings_.max_size) broken("I9: more connections than max_size");
  std::uint32_t owners = 0;
  std::size_t waiting = 0;
  for (const client& c : clients_) {
    if (c.is == task::queued) ++waiting;
    if (c.is != task::granted && c.is != task::holding && c.is != task::pending) continue;
    const core::slot& s = book_.slots()[c.node.lease().index];
    if (s.incarnation == c.node.lease().incarnation && s.state == core::slot_state::leased) ++owners;
  }
  if (owners != count(core::slot_state::leased)) broken("I9: a lease without its one owner");
  if (waiting != book_.waiters().size()) broken("I10: queued, granted or cancelled");
  if (waiting > 0 && count(core::slot_state::idle) > 0) broken("I10: idle while someone waits");
}

bool replay::finish() {
  line_ = "the end";
  book_.begin_close(now_, actions_);
  perform();
  book_.force_close(now_, actions_);
  for (int round = 0; round < 20 && !finished_; ++round) {
    perform();
    for (client& c : clients_) {
      if (c.is == task::holding) user_event("release", c, 0);
      if (c.is == task::granted) user_event("cancels_grant", c, 0);
    }
    for (const core::slot_id id : ordered_) book_.connect_failed(id, false, now_, actions_);
    ordered_.clear();
    for (connection& c : connections_) {
      if (!c.exists) continue;
      c.running_on = false;
      if (c.settle && c.settle->active()) let_deadlines_pass(c);
      const core::slot_state state = state_of(c);
      if (state == core::slot_state::recovering && c.quiet) {
        book_.recovered(c.id, true, core::close_reason::broken, now_, actions_);
      }
      if (state == core::slot_state::closing) book_.closed(c.id, false, now_, actions_);
    }
    perform();
    check();
  }
  return finished_;
}

}  // namespace lido::model
