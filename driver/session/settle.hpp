// The fence: how a connection whose operation was abandoned becomes quiet again, or is given up. Sans-io, with time as
// an argument. Contract: "The fence", I3-I8, I12, I19; model: pool.pml. The owner performs the steps and reports
// events; nothing here can fail.
//
//      begin ──flushed──► cancel: connecting ──written──► written ──eof──► eof ─┐
//        │                        │ RFQ: dropped, free        │ fail: unknown    ├─ RFQ and (none|dropped|eof) ─► quiet
//        └── RFQ before all this ─┴──────────────► quiet      └─► close          └─ no RFQ in retry_after: once more;
//        drain budget: close
//
// While our own request is not wholly written, a CancelRequest would mostly be lost: the statement has not begun. Two
// exceptions: a COPY is under way for certain, and when the server does not take its end within retry_after it is busy
// (a lock, a trigger) and can be cancelled; so is a server that does not take the rest of a pipeline. What it never
// takes is closed, after its cancel (I9): from then on nothing more is written, and of a pipeline each segment that the
// server had already taken is cancelled, until none ends any more.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace lido::session {

using duration = std::chrono::nanoseconds;
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

enum class cancel_state : std::uint8_t { none, connecting, written, eof, unknown };

// May a CancelRequest be sent for what is under way?
enum class cancel_permission : std::uint8_t {
  allowed,
  early,       // allowed, and what is written of a pipeline may run before the rest is: not taken within retry_after,
               // it is cancelled as it stands (I18)
  drain_only,  // COMMIT (I15), or no budget left for a cancel (I8): wait for ReadyForQuery within drain_timeout, else
               // close
  late,        // the end is on its way without one (a COPY was failed, a portal closed): only if it is not written and
               // answered within retry_after (I17)
  forbidden,   // no key (I7) or policy `never`: close at once
};

enum class cancel_after : std::uint8_t { recover, discard, never };  // knob cancel.after

struct settle_budgets {
  duration cancel_timeout = std::chrono::seconds(5);      // connect + TLS + write + EOF of one attempt
  duration retry_after = std::chrono::milliseconds(500);  // EOF but no ReadyForQuery: a second attempt
  duration drain_timeout =
      std::chrono::seconds(5);  // for ReadyForQuery (and for the rest of our own request to be written)
  std::size_t drain_max_bytes = 16U << 20;
  cancel_after after = cancel_after::recover;
};

// Why a connection was given up; names are metric labels.
enum class give_up : std::uint8_t {
  none,
  no_key,
  policy,
  cancel_unknown,
  cancel_failed,
  drain_timeout,
  drain_bytes,
  write_stalled,
  discarded,
  lost,
};
enum class cancel_phase : std::uint8_t { resolve, connect, tls, write, eof };  // where a cancel connection failed

struct settle_step {
  bool start_cancel = false;  // open the cancel connection now (attempt() says which)
  bool drop_cancel = false;   // close it: its first byte was not written (it asks may_write() before that)
  bool park_cancel = false;   // leave it unread, bounded in number, until EOF or 60 s (the main socket is being closed)
  bool quiet = false;         // over: the connection is quiet
  give_up close = give_up::none;  // over: close the main socket
};

class settle {
 public:
  // `owed`: ReadyForQuery owed now. `flushed`: every byte of the operation has been written up to its Sync.
  settle_step begin(const settle_budgets& budgets, cancel_permission permission, unsigned owed, bool flushed,
                    time_point now);
  settle_step flushed(time_point now);
  settle_step ready(time_point now);  // outstanding == 0
  // A ReadyForQuery, and more are owed: the next segment wants a cancel of its own (I18).
  settle_step segment_over(time_point now);
  settle_step received(std::size_t bytes, time_point now);  // discarded bytes
  bool may_write() noexcept;  // asked right before the CancelRequest's first byte; true = state is `written` from here
  settle_step cancel_eof(time_point now);                         // clean end of the cancel socket after a full write
  settle_step cancel_failed(cancel_phase phase, time_point now);  // before the first byte: drain on; after: unknown
  // This way to cancel ended without a signal, or with all that it sent delivered; written or not, nothing more comes
  // of it. `again`: another way is there, within the same attempt and its time; once an attempt.
  settle_step cancel_missed(bool again, time_point now);
  settle_step lost(time_point now);  // the main connection died
  settle_step tick(time_point now);  // a deadline may have passed
  settle_step hurry(const settle_budgets& smaller,
                    time_point now);  // a stronger second cancel, or a closing pool: shrink budgets (I8)

  time_point next_deadline() const noexcept;
  cancel_state cancel() const noexcept { return cancel_; }
  unsigned attempt() const noexcept { return attempt_; }  // 0 before the first cancel
  bool active() const noexcept { return stage_ != stage::idle; }
  // To be closed, whatever comes: nothing more is to be written.
  bool is_doomed() const noexcept { return stage_ >= stage::doomed_connecting; }
  bool came_by_itself() const noexcept { return permission_ == cancel_permission::late && attempt_ == 0; }

 private:
  enum class stage : std::uint8_t {
    idle,               // not begun, or over
    flushing,           // our own request is not wholly written, no cancel was tried
    flushing_ready,     // ReadyForQuery came before we learned that our last byte went out
    connecting,         // ReadyForQuery owed, cancel connection opening
    written,            // ReadyForQuery owed, EOF owed
    written_ready,      // ReadyForQuery came; until EOF a signal may still hit the next query
    draining,           // ReadyForQuery owed, no cancel under way
    doomed_connecting,  // a budget is gone; the socket is closed when the cancel is out (I9), or cannot be
    doomed_written,
    doomed_draining,  // of several segments one was cancelled; the server may have the next
  };

  bool may_cancel() const noexcept {
    return permission_ == cancel_permission::allowed || permission_ == cancel_permission::early;
  }
  settle_step start_attempt(time_point now);
  settle_step give_up_owed(give_up reason, time_point now);
  settle_step start_again(stage where) noexcept;
  settle_step start_doomed_attempt(give_up reason, time_point now);
  settle_step drain(give_up reason, time_point now);
  settle_step after_eof(time_point now);
  settle_step after_doomed_eof(time_point now);
  settle_step distrust(time_point now);
  settle_step over(give_up reason) noexcept;
  settle_step over_with_cancel(give_up reason) noexcept;
  settle_step finish_quiet() noexcept;
  settle_step quiet_when_flushed(time_point now);
  settle_step expire(time_point now);
  settle_step on_deadline(time_point now);
  bool over_bytes() const noexcept { return received_ > budgets_.drain_max_bytes; }
  void arm(duration budget, time_point now) noexcept;

  settle_budgets budgets_;
  time_point deadline_ = time_point::max();  // of the stage
  time_point retry_at_ = time_point::max();  // draining after EOF: the second attempt
  time_point overall_ = time_point::max();   // 2 * (cancel_timeout + drain_timeout) after begin
  std::size_t received_ = 0;
  unsigned attempt_ = 0;
  bool flushed_ = false;     // every byte of the operation is written
  bool missed_ = false;      // this attempt goes its second way
  bool many_ = false;        // more than one ReadyForQuery was owed at the beginning
  bool head_ended_ = false;  // a segment, while its signal was on its way: the next wants one
  bool repeats_ = false;     // doomed: this attempt is the second for one segment
  stage stage_ = stage::idle;
  cancel_state cancel_ = cancel_state::none;
  cancel_permission permission_ = cancel_permission::allowed;
  give_up drain_reason_ = give_up::drain_timeout;  // what running out of time while draining is called
  give_up doom_ = give_up::drain_bytes;            // which budget is gone
};

}  // namespace lido::session
