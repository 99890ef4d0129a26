// A private PgBouncer in front of a throw-away PostgreSQL.
#pragma once

#include "tests/support/files.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/process.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lido::testing {

struct pgbouncer_settings {
  std::string pool_mode = "transaction";  // or session
  std::size_t pool_size = 4;              // connections to the server
  std::vector<std::string> further;       // lines of [pgbouncer]
};

class pgbouncer {
 public:
  explicit pgbouncer(postgres_cluster& server, const pgbouncer_settings& settings = {});
  pgbouncer(const pgbouncer&) = delete;
  pgbouncer& operator=(const pgbouncer&) = delete;
  ~pgbouncer();

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  void start();
  void stop();  // SIGTERM: at once, clients are disconnected
  [[nodiscard]] bool running() { return process_.running(); }
  /// A command of the admin console: PAUSE, RESUME, RELOAD, KILL lido, SHOW POOLS.
  std::string admin(const std::string& command) const;
  [[nodiscard]] std::string log() const;

 private:
  [[nodiscard]] bool answers() const;

  std::optional<account> run_as_;
  temporary_folder folder_;
  std::uint16_t port_;
  child_keeper keeper_;
  child_process process_;
};

}  // namespace lido::testing
