// The throw-away cluster itself: it lets the right users in, can be hurt, and comes back.
#include "tests/support/postgres_cluster.hpp"

#include "tests/support/eventually.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace lido::testing {
namespace {

std::string dsn(const std::string& user, const std::string& options) {
  const auto& cluster = shared_cluster();
  return "host=localhost port=" + std::to_string(cluster.port()) + " dbname=" + cluster.database() + " user=" + user +
         " password=" + cluster.password() + " " + options;
}

// libpq, through psql, judges our certificates and rules: a client that is not ours.
process_result ask(const std::string& connection, const std::string& sql) {
  return run_process({"/usr/bin/psql", "-XAtq", "-d", connection, "-c", sql});
}

std::string verified() { return "sslmode=verify-full sslrootcert=" + shared_cluster().ca_file().string(); }

TEST(postgres_cluster, serves_verified_tls_and_scram) {
  const auto result =
      ask(dsn(shared_cluster().user(), verified()), "select ssl from pg_stat_ssl where pid = pg_backend_pid()");
  EXPECT_EQ(result.output, "t\n") << result.errors;
  EXPECT_EQ(shared_cluster().sql("select left(rolpassword, 13) from pg_authid where rolname = 'lido'"),
            "SCRAM-SHA-256");
}

TEST(postgres_cluster, wrong_authority_is_refused_by_libpq) {
  const auto options = "sslmode=verify-full sslrootcert=" + shared_cluster().wrong_ca_file().string();
  const auto result = ask(dsn(shared_cluster().user(), options), "select 1");
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.errors.find("certificate verify failed"), std::string::npos) << result.errors;
}

TEST(postgres_cluster, every_role_logs_in_by_its_method) {
  const auto& cluster = shared_cluster();
  for (const auto& user : {cluster.user(), cluster.md5_user(), cluster.cleartext_user(), cluster.trusted_user(),
                           cluster.tls_only_user()}) {
    EXPECT_EQ(ask(dsn(user, verified()), "select current_user").output, user + "\n");
  }
  EXPECT_EQ(ask(dsn(cluster.plain_only_user(), "sslmode=disable"), "select 1").output, "1\n");
  EXPECT_NE(ask(dsn(cluster.plain_only_user(), verified()), "select 1").status, 0);
  EXPECT_NE(ask(dsn(cluster.tls_only_user(), "sslmode=disable"), "select 1").status, 0);
}

TEST(postgres_cluster, a_client_certificate_logs_in) {
  const auto& cluster = shared_cluster();
  const auto options =
      verified() + " sslcert=" + cluster.client_certificate().string() + " sslkey=" + cluster.client_key().string();
  EXPECT_EQ(ask(dsn(cluster.certificate_user(), options), "select 1").output, "1\n");
  EXPECT_NE(ask(dsn(cluster.certificate_user(), verified()), "select 1").status, 0);
}

TEST(postgres_cluster, restarts_on_the_same_port_after_every_way_to_stop) {
  auto& cluster = shared_cluster();
  for (const auto mode : {stop_mode::smart, stop_mode::fast, stop_mode::immediate, stop_mode::kill}) {
    const auto before = cluster.postmaster_pid();
    cluster.restart(mode);
    EXPECT_NE(cluster.postmaster_pid(), before);
    EXPECT_EQ(cluster.sql("select 1"), "1");
  }
}

TEST(postgres_cluster, reloaded_settings_hold_for_the_next_connection) {
  auto& cluster = shared_cluster();
  for (int round = 0; round < 5; ++round) {
    cluster.reload({"work_mem = '7MB'"});
    EXPECT_EQ(cluster.sql("show work_mem"), "7MB");
    cluster.reload({});
    EXPECT_EQ(cluster.sql("show work_mem"), "4MB");
  }
}

TEST(postgres_cluster, a_stopped_postmaster_serves_nobody_until_it_continues) {
  const auto& cluster = shared_cluster();
  cluster.stop_postmaster();
  child_settings settings;
  settings.arguments = {"/usr/bin/psql", "-XAtq", "-d", dsn(cluster.user(), verified()), "-c", "select 1"};
  child_process client{settings};
  EXPECT_FALSE(client.wait(std::chrono::milliseconds{200}));
  cluster.continue_postmaster();
  EXPECT_EQ(client.wait(hang_guard), 0);
}

TEST(postgres_cluster, settings_reach_the_server) {
  cluster_settings settings;
  settings.tls = false;
  settings.max_connections = 17;
  settings.configuration = {"work_mem = '9MB'"};
  const postgres_cluster cluster{settings};
  EXPECT_EQ(cluster.sql("show max_connections; show work_mem; show ssl"), "17\n9MB\noff");
}

TEST(postgres_cluster, the_version_can_be_chosen) {
  cluster_settings settings;
  settings.version = "15";
  const postgres_cluster cluster{settings};
  EXPECT_EQ(cluster.version(), 15);
  EXPECT_EQ(cluster.sql("show server_version_num").substr(0, 2), "15");
  EXPECT_EQ(shared_cluster().sql("show server_version_num").substr(0, 2), std::to_string(shared_cluster().version()));
}

TEST(postgres_cluster, a_version_that_is_not_there_is_refused_with_what_to_do) {
  cluster_settings settings;
  settings.version = "9";
  try {
    const postgres_cluster cluster{settings};
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string{e.what()}.find("./run servers"), std::string::npos) << e.what();
  }
}

// A fork stands for a test program that crashes while its server is stopped: the hardest case to clean up after.
TEST(postgres_cluster, a_crashed_owner_leaves_neither_server_nor_folder) {
  int report[2];
  ASSERT_EQ(::pipe(report), 0);
  const pid_t owner = ::fork();
  ASSERT_GE(owner, 0);
  if (owner == 0) {
    const postgres_cluster cluster;
    const std::string text =
        std::to_string(cluster.postmaster_pid()) + " " + cluster.socket_dir().parent_path().string() + "\n";
    if (::write(report[1], text.data(), text.size()) < 0) ::_exit(1);
    cluster.stop_postmaster();
    ::raise(SIGKILL);
  }
  ::close(report[1]);
  ASSERT_EQ(::waitpid(owner, nullptr, 0), owner);
  char text[256] = {};
  ASSERT_GT(::read(report[0], text, sizeof text - 1), 0);
  ::close(report[0]);
  const std::string line = text;
  const std::filesystem::path folder = line.substr(line.find(' ') + 1, line.find('\n') - line.find(' ') - 1);
  const pid_t server = std::stoi(line);
  EXPECT_TRUE(std::filesystem::exists(folder));
  const postgres_cluster next{};  // its start sweeps
  EXPECT_FALSE(std::filesystem::exists(folder));
  EXPECT_TRUE(eventually([server] { return ::kill(server, 0) != 0; }));
}

}  // namespace
}  // namespace lido::testing
