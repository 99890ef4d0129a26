// Drives the code with a counterexample of the model: pool/core and driver/session/settle are the real ones, the server
// and the users are the model's. What the server, the network and the users do in the trace, they do here; what the
// mutant's own code did is only offered to the real code, which takes it or refuses.
#pragma once

#include "pool/core/pool_core.hpp"
#include "tests/model/fence.hpp"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lido::model {

struct replay_settings {
  std::uint32_t max_size = 2;
  cancel_after after = cancel_after::recover;
  std::function<std::unique_ptr<fence>()> make_fence = [] { return std::make_unique<fence>(); };
};

class replay {
 public:
  explicit replay(const replay_settings& settings);
  ~replay();
  replay(const replay&) = delete;
  replay& operator=(const replay&) = delete;

  /// One line of a trace, e.g. "terminal 1".
  void step(const std::string& line);
  /// Lets every deadline pass, closes the pool and lets the server end: true when all came to an end.
  bool finish();

  /// The first rule that was broken, with the line at which it was; empty: none.
  [[nodiscard]] const std::string& violation() const noexcept { return violation_; }
  /// The lines that the code did not go along with.
  [[nodiscard]] const std::vector<std::string>& refused() const noexcept { return refused_; }
  [[nodiscard]] bool refused_a(std::string_view event) const;

 private:
  static constexpr std::size_t max_clients = 4;
  enum class backend : std::uint8_t { ready, unread, running, answered };
  enum class statement : std::uint8_t { nobodys, users, commit, abandoned, pools };
  enum class packet : std::uint8_t { none, flying, one_signal, two_signals };
  enum class work : std::uint8_t { none, unsent, sent, draining };
  enum class task : std::uint8_t { detached, queued, granted, holding, pending };

  struct connection {
    core::slot_id id;
    bool exists = false;
    std::unique_ptr<fence> settle;
    backend is = backend::ready;
    statement about = statement::nobodys;
    packet cancel = packet::none;
    work op = work::none;
    bool commit = false;
    bool quiet = false;       // the fence has said so
    bool running_on = false;  // our socket is closed, the backend works on
    std::size_t user = max_clients;
  };
  struct client {
    core::waiter node;
    task is = task::detached;
  };

  bool dispatch(const std::string& event, std::size_t n);
  bool user_event(const std::string& event, client& c, std::size_t n);
  bool connection_event(const std::string& event, std::size_t n);
  bool server_event(const std::string& event, connection& c);
  bool cancel_event(const std::string& event, connection& c);
  bool recovery_event(const std::string& event, connection& c);

  bool cancel_running(client& c, bool terminal);
  void begin_fence(connection& c);
  void apply(connection& c, const settle_step& step);
  void give_up(connection& c);
  void let_deadlines_pass(connection& c);
  bool signal(connection& c);
  void perform();
  void start_recovery(core::slot_id id);
  void forget(connection& c);
  void check();
  void broken(const char* rule);
  [[nodiscard]] core::slot_state state_of(const connection& c) const;
  [[nodiscard]] connection* at(core::slot_id id);
  [[nodiscard]] connection* held_by(const client& c);

  replay_settings settings_;
  core::time_point now_{std::chrono::hours{1}};
  core::pool_core book_;
  core::action_list actions_;
  std::array<client, max_clients> clients_;
  std::vector<connection> connections_;  // by the model's number
  std::vector<core::slot_id> ordered_;   // connects that the trace has not named yet
  std::string line_;
  std::string violation_;
  std::vector<std::string> refused_;
  bool finished_ = false;
};

}  // namespace lido::model
