// The fence against a modelled server, in virtual time: the cancel socket's two ends, the backend and the users of
// model/pool.pml's counterpart in the contract ("The fence"). One object is one schedule; the same seed gives the same
// schedule.
#pragma once

#include "tests/model/fence.hpp"

#include <array>
#include <cstdint>

namespace lido::model {

enum class event : std::uint8_t {
  flushed,
  ready,
  received_within,
  received_over,
  may_write,
  eof,
  failed,
  missed,
  lost,
  deadline,
  retry,
  hurry
};
enum class state : std::uint8_t {
  over,
  flushing,
  flushing_ready,
  connecting,
  written,
  written_ready,
  draining,
  draining_eof,
  doomed_connecting,
  doomed_written,
  doomed_draining
};
inline constexpr std::size_t events = 12;
inline constexpr std::size_t states = 11;
inline constexpr std::size_t reasons = 10;

struct tally {
  std::array<std::array<std::uint64_t, events>, states> taken{};
  std::array<std::uint64_t, reasons> closed{};
  std::uint64_t quiet = 0;
  std::uint64_t steps = 0;
  std::uint64_t innocent_queries = 0;  // run behind a fence that held
  std::uint64_t signals = 0;           // that the server sent, too late ones included
};

struct world_rules {
  bool eof_lies = false;      // a middlebox ends the cancel connection before the server has sent its signals
  bool only_discard = false;  // every schedule has cancel.after = discard
  bool check_rules = true;    // the oracle; without it only the harm is looked for
};

struct verdict {
  const char* violation = nullptr;  // of a rule; null: none
  bool harmed = false;              // a user's query was hit by somebody else's cancel
};

class settle_world {
 public:
  settle_world(std::uint64_t seed, fence& subject, const world_rules& rules, tally& counts);
  verdict run();

 private:
  enum class backend : std::uint8_t { idle, unread, running, answered };
  enum class packet : std::uint8_t { none, flying, one_kill, two_kills };
  enum class socket : std::uint8_t { closed, dialling, open };
  static constexpr std::size_t most_attempts = 12;

  // random
  std::uint64_t next_random();
  std::uint64_t below(std::uint64_t bound) { return next_random() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  // the schedule
  void choose_profile();
  void start();
  void pass_time();
  void wake();
  void one_event();
  void noise();
  void after_the_fence();

  // events of the world
  void our_bytes_move();
  void backend_moves();
  void next_segment();
  void bytes_arrive();
  void cancel_socket_moves();
  void control_misses();
  void packet_moves(std::size_t attempt);
  void deliver_eof(std::size_t attempt);
  void kill();
  void hurry();

  // the oracle
  state observed() const;
  void count(event what) { ++counts_.taken[static_cast<std::size_t>(observed())][static_cast<std::size_t>(what)]; }
  void apply(const settle_step& step);
  void on_start();
  void on_quiet();
  void on_close(give_up why);
  bool owed_a_cancel() const;
  void check_bound();
  void require(bool holds, const char* rule);

  std::uint64_t random_;
  fence& subject_;
  world_rules rules_;
  tally& counts_;
  verdict verdict_;

  settle_budgets budgets_;
  cancel_permission permission_ = cancel_permission::allowed;
  time_point now_;
  time_point began_;
  time_point bound_;
  std::size_t received_ = 0;
  bool bytes_out_ = false;     // our request has left
  bool flushed_told_ = false;  // and settle knows it
  unsigned segments_ = 1;      // of a pipeline, whose ReadyForQuery is owed (I18)
  bool many_ = false;          // more than one at the beginning
  unsigned tried_ = 0;         // how many cancels ended well while the head of them was owed
  bool failed_ = false;        // one did not: the way to the server is not to be trusted any more
  bool early_ = false;         // a cancel of what is not wholly written: a COPY (I17)
  bool last_ = false;          // the cancel before the close, of what a budget ended (I9)
  bool has_control_ = false;   // cancels of this schedule go by a control session first
  bool by_control_ = false;    // the one under way does
  bool again_ = false;         // it missed: the next start is no new attempt
  bool ready_seen_ = false;
  bool over_ = false;
  bool is_quiet_ = false;
  backend backend_ = backend::idle;
  bool users_query_ = false;  // what the backend works on is an innocent's
  socket socket_ = socket::closed;
  std::array<packet, most_attempts + 1> packets_{};
  std::array<bool, most_attempts + 1> first_byte_out_{};
  std::array<bool, most_attempts + 1> eof_seen_{};
  std::size_t attempts_ = 0;
  std::uint64_t waits_ = 6;           // one step in so many only lets time pass
  std::array<unsigned, 8> weight_{};  // how likely each kind of event is in this schedule; 0: never
};

}  // namespace lido::model
