// One schedule: a real pool, users that are cancelled at any moment, and weather. The world checks what users see, what
// the server would count, and that after the storm everybody is served and everything ends.
#pragma once

#include "tests/simulation/real/session.hpp"

#include <lido/pool/pool.hpp>

#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include <array>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

namespace simulation {

struct tally {
  std::uint64_t events = 0;
  std::uint64_t acquires = 0;
  std::uint64_t answers = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t lost = 0;
  std::uint64_t closed = 0;
  std::uint64_t refused = 0;
  std::uint64_t recovered = 0;
  std::uint64_t misled = 0;   // by a host that was not what it was wanted for
  std::uint64_t changes = 0;  // of the cluster
  std::uint64_t reloads = 0;
  std::uint64_t bad_reloads = 0;
  std::uint64_t requests = 0;  // see sightings
  std::uint64_t control_calls = 0;
  std::uint64_t control_signals = 0;
  std::uint64_t window = 0;
  std::uint64_t unanswered = 0;
  void add(const tally& other) noexcept;
};

class world {
 public:
  world(std::uint64_t seed, std::ostream* trace);
  ~world();
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  void run();  // throws violation
  [[nodiscard]] const tally& counts() const noexcept { return tally_; }

 private:
  static constexpr std::size_t most_users = 8;

  enum class plan : std::uint8_t { look, query, transaction, left_open, hold, at_once, partial, hurried };
  static constexpr std::uint64_t plan_count = 8;

  struct user {
    asio::cancellation_signal signal;
    bool busy = false;
    bool cancelled = false;
    bool strict = false;  // the weather is good and its patience long: it may see no error
    bool reader = false;  // a replica will do
    std::uint64_t life = 0;
  };

  lido::pool_config draw_config();
  void draw_cluster(lido::pool_config& c);
  void tick();
  [[nodiscard]] std::uint64_t under_way() const;
  void change_weather();
  void something_happens();
  void spawn(user& who);
  void cancel(user& who);
  void calm();
  void be_at_rest();  // everybody is served, and soon
  void shut_down();
  void drain(instant until);  // all that is due by then
  void check();
  void note(const std::string& what) const;
  void require(bool holds, const char* rule) const;
  void close_pool(std::chrono::nanoseconds patience);

  // reload.cpp: another configuration while the pool runs
  void reload();
  void change(lido::pool_config& c);
  void spoil(lido::pool_config& c);
  void reload_under_load();

  template <class... T>
  auto one_of(T... values) {
    const std::array all{values...};
    return all[server_.below(all.size())];
  }

  // users.cpp: what a task does, and what it may see
  asio::awaitable<void> live(user& who);
  asio::awaitable<void> use(user& who, lido::lease& db, plan what);
  asio::awaitable<void> pause(std::chrono::nanoseconds most);
  void judge(const user& who, const std::error_code& ec, bool acquiring);
  void ended(user& who, const std::exception_ptr& why);
  std::uint64_t token() noexcept { return ++tokens_; }

  virtual_time time_;
  server server_;
  asio::io_context io_;
  std::optional<lido::pool> pool_;
  lido::pool_config config_;
  std::array<user, most_users> users_;
  std::size_t user_count_;
  std::uint64_t tokens_ = 0;
  int closing_ = 0;  // close() calls that have not completed
  bool shutting_down_ = false;
  bool cancelled_all_ = false;
  asio::steady_timer poke_{io_};
  bool ticking_ = false;  // for the timers of the watches
  bool writes_ = false;   // leases are of a primary
  bool strict_ = false;   // so are those who begin now
  tally tally_;
  std::ostream* trace_;
};

}  // namespace simulation
