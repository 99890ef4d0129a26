// The processes of one simulated server, ours and strangers': few pids, so that one is taken again and again. Executes
// what a control session asks for as PostgreSQL does: looks up who has a pid, signals it some moments later, answers
// later still; goes on with it when nobody listens any more.
#pragma once

#include "pool/recovery/control_channel.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace simulation {

class server;
class simulated_session;

struct process {
  std::int32_t pid = 0;
  std::int64_t started = 0;               // microseconds since 1970
  lido::recovery::socket_end end;         // its client's, as the server sees it
  bool same_user = true;                  // as the pool
  std::weak_ptr<simulated_session> ours;  // none: a stranger's, or its client has gone
  bool stranger = false;
  bool alive = true;
  std::size_t lane = 0;     // of ours
  bool leaving = false;     // its client has gone: it ends with what it executes
  unsigned statements = 0;  // of the control session, that it executes
};
using process_ptr = std::shared_ptr<process>;

// One statement of a control session.
struct control_call {
  struct row {
    std::int32_t pid = 0;
    std::optional<std::int64_t> started;
    lido::recovery::socket_end end;
    bool kill = false;
    process_ptr found;  // by the look-up
    bool signalled = false;
  };
  std::weak_ptr<simulated_session> client;
  std::size_t lane = 0;
  unsigned turn = 0;  // of the client's statements
  process_ptr by;
  std::int64_t written = 0;  // microseconds since 1970
  std::vector<row> rows;
  bool executed = false;  // it will signal nobody any more
  bool answered = false;  // and the client has heard so
};
using control_ptr = std::shared_ptr<control_call>;

class postmaster {
 public:
  postmaster(server& s, std::int64_t started) : server_(s), started_(started) {}

  process_ptr fork(const lido::recovery::socket_end& end, bool same_user);
  void end(const process_ptr& who);   // its client has gone
  void kill(const process_ptr& who);  // at once
  [[nodiscard]] bool has_port(std::int32_t port) const;
  [[nodiscard]] process_ptr find(std::int32_t pid) const;

  void strangers_come_and_go();
  void signal(const process_ptr& whom);
  void execute(const control_ptr& what);
  // A statement that may yet signal whoever has this pid, and was written before that one began.
  [[nodiscard]] bool threatens(const process& who, std::size_t lane) const;
  [[nodiscard]] std::int64_t started() const noexcept { return started_; }

 private:
  [[nodiscard]] std::optional<std::int32_t> free_pid();
  void stranger(std::int32_t pid);
  void look_up(const control_ptr& what);
  void send_signals(const control_ptr& what);
  void answer(const control_ptr& what, bool forbidden);
  void over(const control_ptr& what);
  [[nodiscard]] bool stopped(const control_ptr& what);

  server& server_;
  std::map<std::int32_t, process_ptr> processes_;
  std::map<std::int32_t, std::int64_t> freed_;  // when a pid was used last
  std::int32_t last_freed_ = 1;
  std::vector<control_ptr> calls_;  // that may yet signal somebody
  const std::int64_t started_;
};

std::int64_t wall_clock();  // microseconds since 1970

}  // namespace simulation
