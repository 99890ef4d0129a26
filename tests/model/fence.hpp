// What the simulation drives in the place of session::settle: settle itself, or one of the mutants that break a rule of
// the contract on purpose.
#pragma once

#include "driver/session/settle.hpp"

#include <memory>

namespace lido::model {

using session::cancel_after;
using session::cancel_permission;
using session::cancel_phase;
using session::cancel_state;
using session::duration;
using session::give_up;
using session::settle_budgets;
using session::settle_step;
using session::time_point;

class fence {
 public:
  fence() = default;
  fence(const fence&) = delete;
  fence& operator=(const fence&) = delete;
  virtual ~fence() = default;

  virtual settle_step begin(const settle_budgets& budgets, cancel_permission permission, unsigned owed, bool flushed,
                            time_point now) {
    return inner_.begin(budgets, permission, owed, flushed, now);
  }
  virtual settle_step ready(time_point now) { return inner_.ready(now); }
  virtual settle_step cancel_failed(cancel_phase phase, time_point now) { return inner_.cancel_failed(phase, now); }
  virtual settle_step tick(time_point now) { return inner_.tick(now); }
  virtual time_point next_deadline() const { return inner_.next_deadline(); }
  virtual bool may_write() { return inner_.may_write(); }

  settle_step flushed(time_point now) { return inner_.flushed(now); }
  settle_step segment_over(time_point now) { return inner_.segment_over(now); }
  settle_step received(std::size_t bytes, time_point now) { return inner_.received(bytes, now); }
  settle_step cancel_eof(time_point now) { return inner_.cancel_eof(now); }
  settle_step cancel_missed(bool again, time_point now) { return inner_.cancel_missed(again, now); }
  settle_step lost(time_point now) { return inner_.lost(now); }
  settle_step hurry(const settle_budgets& smaller, time_point now) { return inner_.hurry(smaller, now); }
  cancel_state cancel() const { return inner_.cancel(); }
  bool active() const { return inner_.active(); }

 protected:
  session::settle inner_;
};

// pool.pml's MUTANT_NO_EOF: reused on ReadyForQuery, the EOF not awaited.
class written_counts_as_eof : public fence {
 public:
  settle_step ready(time_point now) override {
    const bool open = inner_.cancel() == cancel_state::written;
    const settle_step step = inner_.ready(now);
    return open && inner_.active() ? inner_.cancel_eof(now) : step;
  }
};

// pool.pml's MUTANT_UNKNOWN: a cancel socket that broke after its first byte counts as settled.
class unknown_counts_as_eof : public fence {
 public:
  settle_step cancel_failed(cancel_phase phase, time_point now) override {
    return inner_.cancel() == cancel_state::written ? inner_.cancel_eof(now) : inner_.cancel_failed(phase, now);
  }
};

// The same for one that is only late.
class late_counts_as_eof : public fence {
 public:
  settle_step tick(time_point now) override {
    const bool late = inner_.cancel() == cancel_state::written && now >= inner_.next_deadline();
    return late ? inner_.cancel_eof(now) : inner_.tick(now);
  }
};

// pool.pml's MUTANT_NO_BUDGET.
class has_no_budget : public fence {
 public:
  settle_step tick(time_point) override { return {}; }
};

// Does not wait until its own request is written: the server would lose the cancel.
class cancels_half_a_request : public fence {
 public:
  settle_step begin(const settle_budgets& budgets, cancel_permission permission, unsigned owed, bool,
                    time_point now) override {
    return inner_.begin(budgets, permission, owed, true, now);
  }
};

// Takes a pipeline for one statement: what is given up goes with its first segment cancelled, and the next one runs.
class closes_behind_the_first_segment : public fence {
 public:
  settle_step begin(const settle_budgets& budgets, cancel_permission permission, unsigned owed, bool flushed,
                    time_point now) override {
    return inner_.begin(budgets, permission, owed > 0 ? 1 : 0, flushed, now);
  }
};

// I15, I7.
class cancels_what_is_not_to_be_cancelled : public fence {
 public:
  settle_step begin(const settle_budgets& budgets, cancel_permission, unsigned owed, bool flushed,
                    time_point now) override {
    return inner_.begin(budgets, cancel_permission::allowed, owed, flushed, now);
  }
};

// Forgets that a CancelRequest whose first byte went out cannot be dropped.
class forgets_the_first_byte : public fence {
 public:
  bool may_write() override { return inner_.cancel() == cancel_state::connecting; }
};

}  // namespace lido::model
