// A pool under load with its exposer, for tests that look at it from outside: a private PostgreSQL over TLS, tasks of
// which a part is cancelled mid-query, two that say who they
// are, a second pool with two hosts, a backend that is killed each second.
#pragma once

#include "bench/storm/runtime.hpp"
#include "bench/storm/storm_engine.hpp"
#include "bench/storm/tally.hpp"
#include "tests/support/postgres_cluster.hpp"

#include <lido/metrics/exposer.hpp>
#include <lido/metrics/reload_collector.hpp>
#include <lido/pool/config.hpp>
#include <lido/pool/pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

namespace lido::testing {

class storm_world {
 public:
  static constexpr const char* pool_name = "orders";

  storm_world() {
    exposer_.add(std::weak_ptr<prometheus::Collectable>{reloads_});
    storm_.start();
    for (const auto& [tag, sql] :
         {std::pair{"monthly_report", "select pg_sleep(30)"}, std::pair{"checkout", "select pg_sleep(0.4)"}})
      asio::co_spawn(threads_.io(), keep_asking(pool_, tag, sql), asio::detached);
    asio::co_spawn(threads_.io(), keep_asking(hosts_, "booking", "select pg_sleep(0.2)"), asio::detached);
    killer_ = std::jthread([this](const std::stop_token& stop) { kill_backends(stop); });
  }
  ~storm_world() {
    killer_ = {};
    storm_.stop();
    (void)storm_.wait(std::chrono::seconds(10));
    pool_.cancel_all();
    hosts_.cancel_all();
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

  // A pool of two hosts; it is one server under two names.
  pool_config ledger() const {
    pool_config c = configuration();
    c.name = "ledger";
    c.connect.host.clear();
    c.connect.hosts = {{.host = server_.host(), .hostaddr = {}, .port = server_.port()},
                       {.host = "localhost", .hostaddr = {}, .port = server_.port()}};
    c.connect.target_session_attrs = target_session_attrs::read_write;
    c.max_size = 4;
    c.min_size = 1;
    return c;
  }

  static std::optional<reload_stats> some_reloads() {
    reload_stats s;
    s.successes = 2;
    s.last_success = std::chrono::system_clock::now();
    return s;
  }

  // Somebody to be found in the table of holders.
  static asio::awaitable<void> keep_asking(pool& on, std::string tag, std::string sql) {
    for (;;) {
      try {
        lease db = co_await on.async_acquire(tagged(tag));
        co_await db->async_simple_query(sql);
      } catch (const error& e) {
        if (e.code() == errc::pool_closed || e.code() == asio::error::operation_aborted) co_return;
      }
    }
  }

  // One backend a second dies under its query: closed connections, reconnects, errors that are nobody's fault.
  void kill_backends(const std::stop_token& stop) {
    std::unique_lock lock{mutex_};
    while (!changed_.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; }) && !stop.stop_requested()) {
      server_.sql("select pg_terminate_backend(pid) from (select pid from pg_stat_activity where usename = '" +
                  server_.user() + "' order by random() limit 1) victim");
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
  pool hosts_{threads_.io().get_executor(), ledger()};
  std::shared_ptr<metrics::reload_collector> reloads_ = std::make_shared<metrics::reload_collector>(some_reloads);
  bool added_ = (exposer_.add(pool_), exposer_.add(hosts_), true);
  storm::storm_engine storm_{threads_.io().get_executor(), pool_, load(), seen_};
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread killer_;
};

}  // namespace lido::testing
