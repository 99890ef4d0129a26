// One schedule: a pool's bookkeeping, clients that want connections, and a driver and server that do what they like.
// The world keeps its own books (who waits in which order, who holds what, which backends exist) and compares after
// every event. It takes nothing on the core's word.
#pragma once

#include "pool/core/random.hpp"
#include "tests/simulation/events.hpp"
#include "tests/simulation/port.hpp"
#include "tests/simulation/transitions.hpp"

#include <array>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <stdexcept>
#include <vector>

namespace simulation {

class violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class client_state : std::uint8_t { outside, waiting, granted, holding, revoked };

struct client {
  core::waiter node;
  client_state state = client_state::outside;
  std::uint64_t arrival = 0;
  core::lease_id lease;
  core::priority worth = core::priority::normal;
  core::task_id task = 0;
  core::time_point since{};  // granted or holding: since when the connection is his
  bool told = false;         // holding: the core has said that it lasts long
};

enum class phase : std::uint8_t { none, connecting, open, pinging, recovering, closing };

// The driver's and the server's end of a slot.
struct backend {
  core::slot_id id;
  phase is = phase::none;
  bool dead = false;       // open: lost, and the core was told
  bool aborted = false;    // closing: was still connecting
  bool lent_high = false;  // in use, and lent to priority::high last
  core::time_point last_ok{};
  std::uint32_t generation = 0;  // when it was decided to connect
  core::endpoint_id host = 0;    // known once it is open
  bool inspecting = false;       // pinging: the user's check is part of it
  bool passed = false;           // the user's check, and was not granted since
  bool lent = false;             // once at least
  bool worn = false;             // came back with more uses or bytes than are allowed
  std::uint32_t uses = 0;
  std::uint64_t bytes = 0;
};

// Somebody who waits for the pool to be warm or at rest.
struct errand {
  std::optional<core::goal> goal;
  bool told = false;
};

class world {
 public:
  world(std::uint64_t seed, fault f, transition_table& table, std::ostream* trace);
  ~world();
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  // The whole schedule; throws violation.
  void run();

  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  static constexpr std::size_t max_clients = 6;
  static constexpr std::size_t max_backends = 6;
  static constexpr std::size_t max_hosts = 3;
  static constexpr core::duration tick = std::chrono::milliseconds{1};

  // --- schedule.cpp: what happens next ---
  static core::limits draw_limits(core::random& r);
  void draw_weights();
  void wild(std::uint64_t events);
  void calm();
  bool settle();
  void shutdown();
  void step();
  bool attempt(event e);
  void let_time_pass();
  [[nodiscard]] std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  [[nodiscard]] bool chance(unsigned percent) { return below(100) < percent; }
  [[nodiscard]] client* some_client(client_state s);
  [[nodiscard]] backend* some_backend(phase p);

  // --- users.cpp: what clients do ---
  bool acquire();
  bool try_acquire();
  bool resume(client* c);
  void resumed(client& c, bool had_it);
  bool cancel();
  bool release(event e, client* c);
  bool administrate(event e);
  bool await();

  // --- connections.cpp: what the driver reports, and what it is told to do ---
  bool connect_result(event e, backend* b);
  bool ping_result(event e, backend* b);
  bool recovery_result(event e, backend* b);
  bool lose(event e);
  bool closed(event e, backend* b);
  bool stale();
  bool stale_lease();
  void report(event e, core::slot_id id);
  [[nodiscard]] bool expected(event e, core::slot_id id) const;
  void perform(const core::action& a);
  void grant(client& c, const core::action& a);
  void fail(client& c, const core::action& a);
  void close(backend& b);
  void goal_ended(const core::goal& g);
  void take_away(core::slot_id id);

  // --- books.cpp: every event between begin() and end(), and what must hold then ---
  void begin(event e);
  void end();
  void note(const char* what, core::slot_id id = {}) const;
  void require(bool holds, const char* rule) const {
    if (!holds) [[unlikely]]
      throw violation{rule};
  }
  void check_grant(std::uint32_t index);
  void check_refusal() const;
  void check_goals() const;
  void connect_outcome(bool good) { unwell_ = !good; }
  [[nodiscard]] bool any_live() const;
  void lend(client& c, const core::lease_id& lease);
  void check_slots() const;
  void check_idle_stacks() const;
  void check_queue() const;
  void check_owners() const;
  void check_supply() const;
  void check_deadlines() const;
  void check_closing() const;
  void check_holds() const;
  [[nodiscard]] bool is_current(const backend& b) const {
    return b.generation >= all_retired_ && b.generation >= host_retired_[b.host];
  }
  [[nodiscard]] bool usable_idle() const;

  // --- demand.cpp: who waits, in the world's own books ---
  using line = std::vector<client*>;
  [[nodiscard]] line& line_of(const client& c) { return lines_[static_cast<std::size_t>(c.worth)]; }
  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] bool anybody_before(core::priority p) const;  // in that class, or in one that is served before it
  [[nodiscard]] std::size_t room_for_ordinary() const;
  [[nodiscard]] bool has_room(core::priority p) const;
  [[nodiscard]] std::size_t servable() const;
  [[nodiscard]] bool in_use(const backend& b) const;
  [[nodiscard]] const client* owner(const backend& b) const;
  [[nodiscard]] const client* next_in_turn() const;
  void join(client& c);
  void leave(client& c);
  void serve(client& c);
  void long_hold(const core::action& a);
  void check_nested(const client& victim, const core::action& a) const;
  [[nodiscard]] bool past_lifetime() const;
  [[nodiscard]] bool timer_is_late() const;
  [[nodiscard]] view view_of(std::uint32_t index) const;
  [[nodiscard]] client& owner_of(const core::waiter* w);
  [[nodiscard]] const core::pool_core& seen() const { return pool_.view(); }

  struct snapshot {
    view is;
    std::uint32_t incarnation;
    std::uint32_t tenure;
  };

  core::random random_;
  core::limits limits_;
  core::time_point now_{std::chrono::seconds{1000}};
  port pool_;
  core::action_list actions_;
  std::array<client, max_clients> clients_;
  std::size_t client_count_;
  std::array<backend, max_backends> backends_{};
  std::array<line, core::waiter_class_count> lines_;  // each in the order in which they have to be served
  std::array<unsigned, core::waiter_class_count> passed_over_{};
  core::slot_id reclaimed_;
  std::vector<core::lease_id> past_leases_;
  std::array<std::uint32_t, event_count> weights_{};
  std::uint64_t arrivals_ = 0;
  std::uint32_t generation_ = 0;
  std::uint32_t all_retired_ = 0;  // the generation that began when all were
  std::array<std::uint32_t, max_hosts> host_retired_{};
  core::time_point doubted_ = core::time_point::min();  // what was idle then must be pinged before use
  core::time_point noticed_ = core::time_point::min();  // the missed deadline that said so
  core::time_point deadline_before_{};
  event now_happening_ = event::expire;
  std::uint32_t occupied_before_ = 0;
  std::uint32_t connecting_before_ = 0;
  std::array<snapshot, max_backends> before_{};
  unsigned finished_ = 0;
  std::array<errand, 2> errands_;
  bool unwell_ = false;  // the last connect to end has failed
  core::time_point last_connect_ = core::time_point::min();
  core::duration distance_{};  // what connect_rate asked for then
  std::uint64_t events_ = 0;
  transition_table& table_;
  std::ostream* trace_;
};

}  // namespace simulation
