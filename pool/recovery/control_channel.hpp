// Cancelling without a fork: the bookkeeping of one control session, which cancels by pg_cancel_backend() what other
// sessions to the same address run. Sans-io, with time as an argument; nothing here can fail. Contract: "The fence",
// I4, I5, I8; model: control.pml.
//
//   session:  absent ─need─► opening ─► ready ─take─► asking ─write─► busy ─reply─► ready
//                ▲              └──────► refused until a time, or untrusted ◄── lost, unanswered, not what it should be
//   target:   queued ──take, may_write──► written ──row──► signalled | missed
//                └ withdrawn, or missed: free                └ no answer: unknown, whatever another channel says
//
// A pid outlives its connection, so three things stand between a statement and an innocent: the statement compares
// backend_start (and over TCP both ends of the socket) with what was read when the connection was new; it is a
// transaction of its own; and until it is answered no new connection of ours that has one of its pids is used
// (admits()).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido::inline v0::recovery {

// Our end of a connection, as the server must see it. Unix sockets have no address, and -1 for a port.
struct socket_end {
  std::string address;
  std::int32_t port = -1;
  bool is_unix() const noexcept { return port < 0; }
};

struct backend {
  std::int32_t pid = 0;
  socket_end end;
  std::int64_t known_at = 0;            // our clock, microseconds since 1970, when the connection was ready
  std::optional<std::int64_t> started;  // the server's backend_start in the same unit, once it was read
};

class control_channel {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::nanoseconds;
  using member = std::uint64_t;  // a connection of ours; numbers are not used twice
  using ticket = std::uint64_t;  // one wish to cancel; 0: none

  struct limits {
    std::size_t batch = 64;                               // rows a statement: so many may become unknown at once
    duration patience = std::chrono::milliseconds(1250);  // not written by then: another way is tried
    duration open_patience =
        std::chrono::milliseconds(250);  // the same while the session is opened and has not shown what it is
    duration answer_timeout = std::chrono::seconds(5);    // of a statement; then the session is given up
    duration idle_timeout = std::chrono::minutes(5);      // not needed for so long: closed
    duration retry_min = std::chrono::seconds(1);         // after a refusal, doubling ...
    duration retry_max = std::chrono::minutes(1);         // ... up to this
    duration untrusted_retry = std::chrono::minutes(10);  // behind a pooler or proxy
    duration probe_interval = std::chrono::seconds(1);    // how often it is asked whether a ghost is gone
    duration ghost_memory = std::chrono::hours(1);        // of those of a server that cannot be asked any more
  };

  enum class state : std::uint8_t { absent, opening, ready, asking, busy, refused, untrusted };
  static constexpr std::size_t state_count = 7;
  static constexpr std::size_t most_ghosts = 8;  // at that many nothing more is cancelled this way

  // What becomes of a wish. signalled: as good as the EOF of a CancelRequest. missed: nothing was sent, or all that
  // was sent has arrived: another way may be tried. unknown: written and not answered.
  enum class outcome : std::uint8_t { signalled, missed, unknown };
  enum class admission : std::uint8_t { use, wait, close };

  enum class row_kind : std::uint8_t { self, ghost, look, cancel };
  struct row {
    row_kind kind = row_kind::look;
    std::uint64_t who = 0;  // member (look), ticket (cancel), number of the ghost
    backend target;
  };
  struct row_reply {
    std::optional<std::int64_t> started;  // none: no such backend of ours
    bool signalled = false;
  };
  struct reply {
    std::int32_t self = 0;        // pg_backend_pid() of who answers
    std::int64_t server = 0;      // pg_postmaster_start_time()
    std::vector<row_reply> rows;  // in the order of the statement's
  };

  struct answer {
    ticket which;
    outcome what;
  };
  // What is to be done, collected until it is taken.
  struct work {
    bool open = false;   // connect the session
    bool close = false;  // it is not wanted, or not trusted, any more
    bool write = false;  // take() and write() have something to do
    std::vector<answer> answers;
    std::vector<std::pair<std::uint64_t, bool>> admitted;  // those that waited: use, or close
    bool empty() const noexcept { return !open && !close && !write && answers.empty() && admitted.empty(); }
  };

  explicit control_channel(const limits& bounds) : limits_(bounds) {}

  // ---- connections of ours, to the same address ----
  void enrol(member who, backend what, time_point now);
  void leave(member who) noexcept;
  // May a new connection with this pid be used? wait: `name` comes back in work::admitted.
  admission admits(std::int32_t pid, std::uint64_t name);

  // ---- who wants a cancel ----
  bool available(member who, time_point now) const noexcept;  // else not this way, now
  ticket submit(member who, time_point now);
  // True: it was not written and never will be. False: too late.
  bool withdraw(ticket which) noexcept;

  // ---- the session ----
  void opened(backend self, time_point now);
  void open_failed(time_point now);
  // The targets of the next statement. Each is asked whether it still wants to be cancelled, then write() is told who
  // does.
  std::vector<ticket> take(time_point now);
  std::vector<row> write(const std::vector<ticket>& wanted, time_point now);  // empty: nothing to write after all
  void replied(const reply& what, time_point now);
  void server_refused(bool for_long, time_point now);  // the statement ended in an error: nothing more comes of it
  void not_sent(time_point now);                       // the session was gone before the statement's first byte
  void lost(time_point now);                           // the session is gone, or is to be given up
  void tick(time_point now);
  time_point next_deadline() const noexcept;

  work take_work() { return std::exchange(work_, {}); }
  state now_in() const noexcept { return state_; }
  std::size_t queued() const noexcept { return queue_.size(); }
  std::size_t statements() const noexcept { return statements_; }  // that carried a cancel
  std::size_t member_count() const noexcept { return members_.size(); }
  bool remembers() const noexcept { return !ghosts_.empty() || state_ == state::busy; }
  void adjust(const limits& bounds) noexcept { limits_ = bounds; }
  void retire() noexcept { retired_ = true; }  // nobody new will come: closed when the last has left
  bool is_useless() const noexcept {
    return retired_ && state_ == state::ready && members_.empty() && queue_.empty() && ghosts_.empty();
  }
  void give_up_all(time_point now);  // the pool is closing: no further statement

 private:
  enum class look : std::uint8_t { wanted, asked, known, unmatched };
  struct enrolled {
    backend what;
    look state = look::wanted;
  };
  struct wish {
    member who = 0;
    time_point since;
    bool taken = false;  // its owner is being asked, or it is in the statement
  };
  // An unanswered statement whose backend may still run: its pids are taken until that backend is known to be gone.
  struct ghost {
    std::uint64_t number = 0;
    backend session;
    std::int64_t server = 0;
    std::vector<std::int32_t> pids;
    time_point since;
  };

  void want_session(time_point now);
  // Until when somebody waits who came at `since`; the session is stuck when what it does has taken so long.
  time_point patient_until(time_point since) const noexcept;
  void want_write();
  void refuse(state how, duration wait, time_point now);
  void back_off(time_point now);
  void end_statement(outcome of_cancels, bool use_new_ones);
  void settle(ticket which, outcome what);
  void fail_queued();
  void remember_ghost(time_point now);
  void read_row(const row& asked, const row_reply& got, const reply& all, time_point now);
  bool is_writable(ticket which) const noexcept;
  bool has_something_to_write() const noexcept;
  void add_looks(std::size_t room);

  limits limits_;
  state state_ = state::absent;
  time_point until_ = time_point::min();  // refused, untrusted: not before
  time_point begun_ = time_point::min();  // of the statement under way, or of the opening until it is trusted
  time_point written_ = time_point::min();
  time_point used_ = time_point::min();  // when it last cancelled something
  time_point probed_ = time_point::min();
  duration retry_ = duration::zero();
  backend self_;
  std::int64_t server_ = 0;
  bool trusted_ = false;
  bool closing_ = false;
  bool retired_ = false;
  std::map<member, enrolled> members_;
  std::map<ticket, wish> wishes_;
  std::deque<ticket> queue_;  // in order of arrival; may name wishes that are gone
  std::vector<ticket> taken_;
  std::vector<row> statement_;  // under way
  std::vector<ghost> ghosts_;
  std::vector<std::pair<std::int32_t, std::uint64_t>> waiting_;  // new connections, by the pid they have to wait for
  ticket last_ticket_ = 0;
  std::uint64_t last_ghost_ = 0;
  std::size_t statements_ = 0;
  work work_;
};

std::string_view to_string(control_channel::state s) noexcept;

}  // namespace lido::inline v0::recovery
