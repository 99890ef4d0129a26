// Ways to connect, on a real server: channel binding, protocol 3.2, direct TLS, passwords from elsewhere, what the
// server's own side needs to be for each (LIDO_TEST_POSTGRES says which version that is).
#include "tests/integration/pool_fixture.hpp"
#include "tests/support/files.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>

namespace {

using namespace std::chrono_literals;
using lido::testing::pool_of;
using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::temporary_folder;
using lido::testing::tls_config;
using lido::testing::unix_config;
using lido::testing::write_file;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The error, or an empty one when the login works.
struct attempt {
  std::error_code error;
  std::string words;
  std::string user;
};

attempt connect(const lido::connect_config& config) {
  attempt out;
  run([&](asio::io_context&) -> asio::awaitable<void> {
    try {
      lido::connection db = co_await lido::connection::async_connect(config);
      out.user = (co_await db.async_query<std::string>("select current_user::text")).one();
      co_await db.async_close();
    } catch (const lido::error& e) {
      out.error = e.code();
      out.words = e.what();
    }
  });
  return out;
}

TEST(connecting, a_lost_connection_leaves_run_nothing_to_wait_for) {
  asio::io_context io;
  lido::connection db;
  asio::co_spawn(
      io,
      [](lido::connection& to) -> asio::awaitable<void> {
        to = co_await lido::connection::async_connect(unix_config(shared_cluster()));
        co_await to.async_query(lido::within(300s), "select pg_terminate_backend(pg_backend_pid())");
      }(db),
      [](const std::exception_ptr& failure) { EXPECT_TRUE(failure) << "its backend is gone"; });
  io.run_for(20s);
  EXPECT_TRUE(io.stopped());
}

// Of a connection without a pool. Its end is heard when the server was told to stop, not when 600 s are over.
TEST(connecting, I9_what_still_runs_when_it_is_closed_is_stopped_on_the_server) {
  for (const auto& config : {unix_config(shared_cluster()), tls_config(shared_cluster())}) {
    run([&](asio::io_context&) -> asio::awaitable<void> {
      lido::connection db = co_await lido::connection::async_connect(config);
      const std::string pid = std::to_string(db.process_id());
      const auto works = [&] {
        return shared_cluster().sql("select count(*) from pg_stat_activity where state = 'active' and pid = " + pid);
      };
      std::optional<std::error_code> ended;
      db.async_query_with([&ended](std::error_code ec, const lido::result<>&) { ended = ec; }, {},
                          "select pg_sleep(600)");
      EXPECT_TRUE(lido::testing::eventually([&] { return works() == "1"; }));
      co_await db.async_close();
      EXPECT_EQ(ended, std::error_code(asio::error::operation_aborted));
      EXPECT_FALSE(db.is_open());
      EXPECT_TRUE(lido::testing::eventually([&] { return works() == "0"; }, 30s)) << "it works on";
    });
  }
}

TEST(connecting, S5_C21_scram_is_bound_to_the_servers_certificate) {
  auto config = tls_config(shared_cluster());
  for (const auto how :
       {lido::channel_binding::disable, lido::channel_binding::prefer, lido::channel_binding::require}) {
    config.channel_binding = how;
    const attempt got = connect(config);
    EXPECT_FALSE(got.error) << got.words;
  }
  config.sslmode = lido::sslmode::disable;
  EXPECT_EQ(connect(config).error, lido::errc::auth_refused);
  config = tls_config(shared_cluster());
  config.channel_binding = lido::channel_binding::require;
  config.user = shared_cluster().trusted_user();
  config.require_auth = {lido::auth_method::none};
  EXPECT_EQ(connect(config).error, lido::errc::auth_refused) << "who asks for nothing proves nothing";
}

TEST(connecting, S4_a_password_that_needs_saslprep) {
  shared_cluster().sql(
      "set password_encryption='scram-sha-256'; drop role if exists lido_unicode; "
      "create role lido_unicode login password U&'I\\00ADX pa\\0308ss\\00A0word'");
  auto config = tls_config(shared_cluster());
  config.user = "lido_unicode";
  for (const char* typed : {"I\xc2\xadX pa\xcc\x88ss\xc2\xa0word", "IX p\xc3\xa4ss word"}) {
    config.password = typed;
    EXPECT_FALSE(connect(config).error) << typed;
  }
}

TEST(connecting, direct_tls_is_for_17_and_later_and_says_so) {
  auto config = tls_config(shared_cluster());
  config.sslnegotiation = lido::sslnegotiation::direct;
  const attempt got = connect(config);
  if (shared_cluster().version() >= 17) {
    EXPECT_FALSE(got.error) << got.words;
  } else {
    EXPECT_TRUE(lido::is_disconnect(got.error));
    EXPECT_THAT(got.words, HasSubstr("needs PostgreSQL 17"));
  }
}

// A statement that is cancelled leaves the same backend behind: the cancel went its way, by its key.
void expect_cancel_works(const lido::connect_config& config, bool by_request) {
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    auto how = pool_of(config, 1);
    how.cancel.channel = by_request ? lido::cancel_channel_choice::request : lido::cancel_channel_choice::automatic;
    lido::pool pool(io.get_executor(), how);
    const auto before = (co_await pool.async_query<int>("select pg_backend_pid()")).one();
    try {
      lido::lease db = co_await pool.async_acquire();
      co_await db->async_query(lido::within(100ms), "select pg_sleep(600)");
      ADD_FAILURE() << "slept";
    } catch (const lido::error& e) {
      EXPECT_EQ(e.code(), lido::errc::timeout);
    }
    EXPECT_EQ((co_await pool.async_query<int>("select pg_backend_pid()")).one(), before);
    co_await pool.async_close(1s);
  });
}

TEST(connecting, I6_cancels_go_by_direct_tls_and_with_long_keys_too) {
  auto config = tls_config(shared_cluster());
  config.max_protocol_version = lido::protocol_version::v3_2;
  if (shared_cluster().version() >= 17) config.sslnegotiation = lido::sslnegotiation::direct;
  expect_cancel_works(config, true);
  expect_cancel_works(config, false);
}

TEST(connecting, protocol_3_2_where_the_server_has_it) {
  auto config = tls_config(shared_cluster());
  config.max_protocol_version = lido::protocol_version::v3_2;
  EXPECT_FALSE(connect(config).error);
  config.min_protocol_version = lido::protocol_version::v3_2;
  const attempt got = connect(config);
  if (shared_cluster().version() >= 18) {
    EXPECT_FALSE(got.error) << got.words;
  } else {
    EXPECT_EQ(got.error, lido::errc::protocol_error);
    EXPECT_THAT(got.words, HasSubstr("min_protocol_version"));
  }
}

// ---- passwords from elsewhere ----

TEST(connecting, a_password_file_is_read_for_each_connect) {
  const temporary_folder folder("lido_pgpass");
  const std::string file = folder.path() / "pgpass";
  auto config = tls_config(shared_cluster());
  config.password = {};
  config.passfile = file;
  EXPECT_EQ(connect(config).error, lido::errc::auth_failed) << "it is not there yet";
  const std::string fits = "localhost:" + std::to_string(config.port) + ":*:" + config.user + ":";
  write_file(file, fits + "wrong\n", 0600);
  EXPECT_EQ(connect(config).error, lido::condition::authentication);
  write_file(file, "other:1:*:*:x\n" + fits + shared_cluster().password() + "\n", 0600);
  EXPECT_FALSE(connect(config).error);
  ASSERT_EQ(::chmod(file.c_str(), 0644), 0);
  const attempt open_to_all = connect(config);
  EXPECT_EQ(open_to_all.error, lido::errc::auth_failed);
  EXPECT_THAT(open_to_all.words, AllOf(HasSubstr("chmod 0600"), Not(HasSubstr(shared_cluster().password()))));
}

TEST(connecting, a_provider_is_asked_for_each_connect_and_told_for_whom) {
  auto config = tls_config(shared_cluster());
  config.password = {};
  struct {
    std::mutex mutex;
    std::vector<std::string> asked;
  } seen;
  config.password_provider = [&seen](const lido::password_request& whom) {
    const std::lock_guard lock(seen.mutex);
    seen.asked.push_back(std::string(whom.host) + ":" + std::to_string(whom.port) + ":" + std::string(whom.database) +
                         ":" + std::string(whom.user));
    return lido::secret(std::string_view(shared_cluster().password()));
  };
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    lido::pool pool(io.get_executor(), pool_of(config, 2));
    lido::lease one = co_await pool.async_acquire();
    lido::lease two = co_await pool.async_acquire();
    co_await pool.async_close(1s);
  });
  ASSERT_GE(seen.asked.size(), 2U);
  EXPECT_EQ(seen.asked[0], "localhost:" + std::to_string(config.port) + ":" + config.database + ":" + config.user);
}

TEST(connecting, I27_a_provider_that_throws_ends_its_connect_and_is_not_quoted) {
  auto config = tls_config(shared_cluster());
  config.password = {};
  config.password_provider = [](const lido::password_request&) -> lido::secret { throw std::runtime_error("hunter2"); };
  const attempt got = connect(config);
  EXPECT_EQ(got.error, lido::errc::auth_failed);
  EXPECT_THAT(got.words, AllOf(HasSubstr("password_provider"), Not(HasSubstr("hunter2"))));
}

TEST(connecting, I5_a_provider_that_never_answers_is_left_at_the_deadline) {
  struct gate {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
  };
  const auto shut = std::make_shared<gate>();
  auto config = tls_config(shared_cluster());
  config.password = {};
  config.connect_timeout = 200ms;
  config.password_provider = [shut](const lido::password_request&) {
    std::unique_lock lock(shut->mutex);
    shut->opened.wait(lock, [&] { return shut->open; });
    return lido::secret("late");
  };
  EXPECT_EQ(connect(config).error, lido::errc::timeout);
  const std::lock_guard lock(shut->mutex);
  shut->open = true;
  shut->opened.notify_all();
}

TEST(connecting, an_error_tells_what_each_way_met) {
  auto config = tls_config(shared_cluster());
  config.sslmode = lido::sslmode::prefer;
  config.allow_unverified_tls = true;
  config.password = "wrong";
  const attempt got = connect(config);
  EXPECT_EQ(got.error, lido::condition::authentication);
  EXPECT_THAT(got.words, HasSubstr("before that, over TLS: FATAL 28P01"));
}

TEST(connecting, requirepeer_knows_who_runs_the_server) {
  auto config = unix_config(shared_cluster());
  config.requirepeer = ::geteuid() == 0 ? "postgres" : "";
  const attempt right = connect(config);
  EXPECT_FALSE(right.error) << right.words;
  config.requirepeer = "daemon";
  const attempt wrong = connect(config);
  EXPECT_EQ(wrong.error, lido::errc::auth_refused);
  EXPECT_THAT(wrong.words, HasSubstr("requirepeer"));
}

}  // namespace
