// The control session against a modelled server: what is known and where it really is are two things, as in
// control.pml. Few pids, so that one is taken again and again: by a connection of ours, or by a stranger that nobody
// can tell from us. One object is one schedule; the same seed gives the same schedule.
#pragma once

#include "pool/recovery/control_channel.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace lido::model {

// What is done wrong on purpose.
struct control_mutant {
  bool bare_pid = false;           // CHECK=0: the statement does not look who has the pid
  bool no_pid_fence = false;       // a new connection is used though its pid is in an unanswered statement
  bool forgets_ghosts = false;     // ... or in one whose session was lost
  bool unknown_is_missed = false;  // FALLBACK: an unanswered statement is forgotten, another way is tried
};

struct control_tally {
  std::uint64_t steps = 0;
  std::uint64_t statements = 0;
  std::uint64_t signals = 0;
  std::uint64_t signalled = 0;
  std::uint64_t missed = 0;
  std::uint64_t unknown = 0;
  std::uint64_t withdrawn = 0;
  std::uint64_t waited = 0;         // connections that waited for an answer before their first use
  std::uint64_t closed_unused = 0;  // ... or were not used at all
  std::uint64_t innocents = 0;      // queries that nobody may hit
  std::uint64_t strangers_hit = 0;  // in the window between look-up and signal, which nobody can close
};

class control_world {
 public:
  control_world(std::uint64_t seed, const control_mutant& wrong, control_tally& counts);
  const char* run();  // null, or the rule that was broken

 private:
  using channel = recovery::control_channel;
  enum class work : std::uint8_t { nothing, abandoned, innocent };
  struct process {  // of the server
    std::int32_t pid = 0;
    std::int64_t started = 0;
    recovery::socket_end end;
    bool ours = false;
    work does = work::nothing;
  };
  enum class use : std::uint8_t { none, waiting, idle, cancelling, innocent };
  struct connection {  // as we see it
    use state = use::none;
    channel::member name = 0;
    std::int32_t pid = 0;
    std::int64_t started = 0;  // tells us from others in the model; the channel reads it
    bool owed = false;
    bool answered = false;  // ReadyForQuery is on its way
    channel::ticket wish = 0;
    bool written = false;
  };
  struct statement {  // where it really is
    std::vector<channel::row> rows;
    std::vector<std::optional<std::int64_t>> found;
    std::size_t signals_done = 0;
    channel::reply reply;
    enum class place : std::uint8_t { on_the_wire, looked_up, answered } where = place::on_the_wire;
    process backend;
    std::uint64_t session = 0;
    bool frozen = false;
  };

  std::uint64_t next_random();
  std::uint64_t below(std::uint64_t n) { return next_random() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  void one_event();
  void connect(connection& c);
  void user(connection& c);
  void ready_for_query(connection& c);
  void death_is_seen(connection& c);
  void close(connection& c);
  void outcome_of(const channel::answer& a);
  void admitted(std::uint64_t name, bool use_it);
  void server_step();
  void stranger();
  void statement_step(statement& s);
  void look_up(statement& s);
  void signal(const channel::row& row, const statement& s);
  void session_step();
  void write_statement();
  void perform();
  process* holder(std::int32_t pid);
  std::optional<process> fork(bool ours);
  void require(bool holds, const char* rule);

  std::uint64_t random_;
  control_mutant wrong_;
  control_tally& counts_;
  channel subject_;
  const char* broken_ = nullptr;
  channel::time_point now_;
  std::int64_t server_clock_ = 1'000'000;
  bool unix_;
  std::int32_t next_port_ = 40000;
  channel::member next_member_ = 0;
  std::vector<process> processes_;
  std::array<connection, 2> connections_;
  std::vector<statement> statements_;
  bool opening_ = false;
  std::optional<process> session_;  // ours, as we see it
  std::uint64_t session_number_ = 0;
};

}  // namespace lido::model
