// A configuration that changes under load hurts nobody.
#include "tests/integration/pool_fixture.hpp"

#include <lido/pool/registry.hpp>

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;
using lido::testing::pool_of;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::unix_config;

struct load {
  int done = 0;
  int failed = 0;
  int running = 0;
  bool stop = false;
};

asio::awaitable<void> client(lido::pool& pool, load& all) {
  ++all.running;
  while (!all.stop) {
    try {
      (void)co_await pool.async_query<int>("select 1");
      ++all.done;
    } catch (const lido::error&) {
      ++all.failed;
    }
  }
  --all.running;
}

// Waits for a condition by taking turns with everything else; the test's own time-out is the hang guard.
template <class Condition>
asio::awaitable<void> until(Condition holds) {
  while (!holds()) co_await asio::post(asio::use_awaitable);
}

void start(asio::io_context& io, lido::pool& pool, load& all, int clients) {
  for (int i = 0; i < clients; ++i) asio::co_spawn(io, client(pool, all), [](std::exception_ptr) {});
}

asio::awaitable<void> end(load& all) {
  all.stop = true;
  co_await until([&] { return all.running == 0; });
}

TEST(reconfigure, resizing_under_load_fails_nobody) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    const auto config = pool_of(unix_config(shared_cluster()), 4);
    lido::pool pool{io.get_executor(), config};
    load all;
    start(io, pool, all, 32);
    co_await until([&] { return all.done > 200 && pool.stats().leased == 4; });
    auto larger = config;
    larger.max_size = 16;
    const auto grown = pool.reconfigure(larger);
    EXPECT_EQ(grown.size(), 1U);
    co_await until([&] { return pool.stats().leased == 16; });
    auto smaller = config;
    smaller.max_size = 2;
    pool.reconfigure(smaller);
    EXPECT_EQ(pool.stats().max_size, 2U);
    co_await until([&] { return pool.stats().size() == 2; });
    const int then = all.done;
    co_await until([&] { return all.done > then + 200; });
    EXPECT_LE(pool.stats().size(), 2U);
    co_await end(all);
    EXPECT_EQ(all.failed, 0);
    EXPECT_EQ(pool.stats().of(lido::close_reason::shrunk), 14U);
    co_await pool.async_close(5s);
  });
}

asio::awaitable<std::string> application_of(lido::connection& db) {
  const auto rows = co_await db.async_query<std::string>("select current_setting('application_name')");
  co_return rows.one();
}

TEST(reconfigure, a_rolling_knob_replaces_connections_as_they_come_back) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    auto config = pool_of(unix_config(shared_cluster()), 2);
    config.connect.application_name = "before";
    lido::pool pool{io.get_executor(), config};
    {
      lido::lease kept = co_await pool.async_acquire();
      config.connect.application_name = "after";
      const auto changes = pool.reconfigure(config);
      EXPECT_EQ(changes.size(), 1U);
      EXPECT_EQ(co_await application_of(*kept), "before") << "a lease keeps its connection";
      lido::lease fresh = co_await pool.async_acquire();
      EXPECT_EQ(co_await application_of(*fresh), "after");
    }
    for (int i = 0; i < 4; ++i) {
      lido::lease one = co_await pool.async_acquire();
      lido::lease two = co_await pool.async_acquire();
      EXPECT_EQ(co_await application_of(*one), "after");
      EXPECT_EQ(co_await application_of(*two), "after");
    }
    EXPECT_EQ(pool.stats().generation, 1U);
    EXPECT_EQ(pool.stats().of(lido::close_reason::stale_generation), 1U);
    co_await pool.async_close(5s);
  });
}

TEST(reconfigure, a_restart_knob_and_nonsense_change_nothing) {
  run([](asio::io_context& io) -> asio::awaitable<void> {
    const auto config = pool_of(unix_config(shared_cluster()), 2);
    lido::pool pool{io.get_executor(), config};
    auto renamed = config;
    renamed.name = "other";
    renamed.max_size = 5;
    auto nonsense = config;
    nonsense.max_size = 0;
    for (const auto& bad : {renamed, nonsense}) {
      try {
        pool.reconfigure(bad);
        ADD_FAILURE() << "accepted";
      } catch (const lido::error& e) {
        EXPECT_EQ(e.code(), lido::errc::invalid_config);
      }
    }
    EXPECT_EQ(pool.stats().max_size, 2U);
    EXPECT_EQ(pool.stats().generation, 0U);
    co_await pool.async_close(5s);
  });
}

class registry_file : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/lido-registry-XXXXXX";
    const int fd = ::mkstemp(name.data());
    ASSERT_GE(fd, 0);
    ::close(fd);
    sources.file = name;
    sources.environment = false;
  }
  void TearDown() override { ::unlink(sources.file.c_str()); }
  // As a careful editor does: a new file in the place of the old one.
  void write(int web, int jobs, const std::string& more = "") {
    const auto& server = shared_cluster();
    const std::string connect = "\nhost = \"" + server.socket_dir().string() +
                                "\"\nport = " + std::to_string(server.port()) + "\nuser = \"" + server.user() +
                                "\"\ndbname = \"" + server.database() + "\"\n";
    {
      std::ofstream file(sources.file + ".new");
      file << "[pool.web]\nmax_size = " << web << connect << "[pool.jobs]\nmax_size = " << jobs << connect << more;
    }
    ASSERT_EQ(std::rename((sources.file + ".new").c_str(), sources.file.c_str()), 0);
  }
  lido::config_sources sources;
};

TEST_F(registry_file, a_bad_file_changes_no_pool_and_says_why) {
  write(3, 2);
  asio::io_context io;
  lido::pool_registry pools{io.get_executor(), sources};
  EXPECT_EQ(pools.names(), (std::vector<std::string_view>{"jobs", "web"}));
  EXPECT_EQ(pools.at("web").stats().max_size, 3U);
  EXPECT_EQ(pools.find("other"), nullptr);
  write(5, 2, "max_sise = 4\n");  // jobs is wrong, web alone would be fine
  const auto bad = pools.reload();
  EXPECT_FALSE(bad.ok);
  EXPECT_NE(bad.error.find(sources.file + ":13"), std::string::npos) << bad.error;
  EXPECT_NE(bad.error.find("\"max_size\""), std::string::npos) << bad.error;
  EXPECT_EQ(pools.at("web").stats().max_size, 3U);
  EXPECT_FALSE(pools.reloads().last_ok);
  EXPECT_EQ(pools.reloads().failures, 1U);
  write(5, 2);
  const auto good = pools.reload();
  ASSERT_TRUE(good.ok) << good.error;
  ASSERT_EQ(good.pools.size(), 1U);
  EXPECT_EQ(good.pools[0].pool, "web");
  EXPECT_EQ(lido::to_text(good.pools[0].changes[0]), "max_size: 3 -> 5 (live, " + sources.file + ":2)");
  EXPECT_EQ(pools.at("web").stats().max_size, 5U);
  EXPECT_TRUE(pools.reloads().last_ok);
  write(5, 2, "[pool.third]\n");
  EXPECT_FALSE(pools.reload().ok) << "a pool that comes wants a restart";
}

TEST_F(registry_file, two_pools_share_no_connection) {
  write(1, 1);
  asio::io_context io;
  lido::pool_registry pools{io.get_executor(), sources};
  bool ran = false;
  const auto work = [](lido::pool_registry& all, bool& done) -> asio::awaitable<void> {
    lido::lease web = co_await all.at("web").async_acquire();
    lido::lease jobs = co_await all.at("jobs").async_acquire();
    const auto a = co_await web->async_query<int>("select pg_backend_pid()");
    const auto b = co_await jobs->async_query<int>("select pg_backend_pid()");
    EXPECT_NE(a.one(), b.one());
    web = {};
    jobs = {};
    co_await all.async_close(5s);
    done = true;
  };
  asio::co_spawn(io, work(pools, ran), [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  });
  io.run();
  EXPECT_TRUE(ran);
}

// What brings the reload about: a new file in place, or a signal for those who asked for it.
class reload_trigger : public registry_file, public testing::WithParamInterface<bool> {};

TEST_P(reload_trigger, reloads_and_tells) {
  write(3, 2);
  asio::io_context io;
  lido::pool_registry pools{io.get_executor(), sources};
  lido::reloader::options how;
  how.interval = GetParam() ? 0ns : 1ms;
  how.on_sighup = GetParam();
  std::vector<std::string> lines;
  int attempts = 0;
  how.log = [&](std::string_view line) { lines.emplace_back(line); };
  std::unique_ptr<lido::reloader> watch;
  how.on_reload = [&](const lido::reload_result& r) {
    EXPECT_TRUE(r.ok) << r.error;
    ++attempts;
    watch->stop();
    asio::co_spawn(io, pools.async_close(1s), [](std::exception_ptr) {});
    throw std::runtime_error("contained (I27)");
  };
  watch = std::make_unique<lido::reloader>(io.get_executor(), pools, how);
  write(7, 2);
  if (GetParam()) {
    ASSERT_EQ(::raise(SIGHUP), 0);
  }
  io.run();
  EXPECT_EQ(attempts, 1);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0], "pool web: max_size: 3 -> 7 (live, " + sources.file + ":2)");
  EXPECT_EQ(pools.at("web").stats().max_size, 7U);
}

using I27_reload = registry_file;

TEST_F(I27_reload, callbacks_that_throw_are_contained_and_counted_each_by_itself) {
  write(3, 2);
  asio::io_context io;
  lido::pool_registry pools{io.get_executor(), sources};
  lido::reloader::options how;
  how.interval = 0ns;
  int lines = 0;
  int attempts = 0;
  how.log = [&](std::string_view) {
    ++lines;
    throw std::runtime_error("of the log");
  };
  how.on_reload = [&](const lido::reload_result&) {
    ++attempts;
    throw 7;  // NOLINT(hicpp-exception-baseclass): anything may come
  };
  lido::reloader watch{io.get_executor(), pools, how};
  write(7, 4);
  EXPECT_TRUE(watch.reload().ok);
  EXPECT_EQ(lines, 2) << "one for each pool that changed";
  EXPECT_EQ(attempts, 1) << "told although the log threw";
  EXPECT_EQ(pools.reloads().sink_errors, 3U);
  write(9, 4, "max_sise = 4\n");
  EXPECT_FALSE(watch.reload().ok);
  EXPECT_EQ(pools.reloads().sink_errors, 5U);
  EXPECT_EQ(pools.at("web").stats().max_size, 7U);
}

INSTANTIATE_TEST_SUITE_P(by, reload_trigger, testing::Values(false, true),
                         [](const auto& p) { return std::string(p.param ? "signal" : "file"); });

}  // namespace
