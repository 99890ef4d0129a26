// A pool under load with its exposer, for tests that look at it from outside: a private PostgreSQL over TLS, tasks of
// which a part is cancelled mid-query, a backend that is killed each second.
#pragma once

#include "bench/storm/runtime.hpp"
#include "bench/storm/storm_engine.hpp"
#include "bench/storm/tally.hpp"
#include "tests/support/postgres_cluster.hpp"

#include <lido/metrics/exposer.hpp>
#include <lido/pool/config.hpp>
#include <lido/pool/pool.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

namespace lido::testing {

class storm_world {
 public:
  static constexpr const char* pool_name = "orders";

  storm_world() {
    storm_.start();
    killer_ = std::jthread([this](const std::stop_token& stop) { kill_backends(stop); });
  }
  ~storm_world() {
    killer_ = {};
    storm_.stop();
    (void)storm_.wait(std::chrono::seconds(10));
    pool_.cancel_all();
  }
  storm_world(const storm_world&) = delete;
  storm_world& operator=(const storm_world&) = delete;

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(exposer_.port()); }

 private:
  pool_config configuration() const {
    pool_config c;
    c.name = pool_name;
    c.connect.host = server_.host();
    c.connect.port = server_.port();
    c.connect.user = server_.user();
    c.connect.database = server_.database();
    c.connect.password = secret{server_.password()};
    c.connect.sslrootcert = server_.ca_file();
    c.max_size = 8;
    return c;
  }

  static storm::load_settings load() {
    storm::load_settings s;
    s.tasks = 12;
    s.cancel_ratio = 0.2;
    s.bystander_sql = "select $1::bigint from pg_sleep(0.01)";
    return s;
  }

  // One backend a second dies under its query: closed connections, reconnects, errors that are nobody's fault.
  void kill_backends(const std::stop_token& stop) {
    std::unique_lock lock{mutex_};
    while (!changed_.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; }) && !stop.stop_requested()) {
      server_.sql("select pg_terminate_backend(pid) from (select pid from pg_stat_activity where usename = '" +
                  server_.user() + "' limit 1) victim");
    }
  }

  postgres_cluster server_;
  storm::tally seen_;
  storm::runtime threads_{1};
  pool pool_{threads_.io().get_executor(), configuration()};
  metrics::exposer exposer_{[] {
    metrics::exposer_config c;
    c.port = 0;
    return c;
  }()};
  bool added_ = (exposer_.add(pool_), true);
  storm::storm_engine storm_{threads_.io().get_executor(), pool_, load(), seen_};
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread killer_;
};

}  // namespace lido::testing
