// Certificates that are rotated under a running pool (F31).
#include "tests/faults/users.hpp"
#include "tests/support/coroutines.hpp"
#include "tests/support/files.hpp"

#include <lido/driver/listener.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>

namespace lido::testing {
namespace {

// As a certificate manager does: a new file in the place of the old one.
void put(const std::filesystem::path& file, const std::string& text) {
  const std::filesystem::path next = file.string() + ".new";
  write_file(next, text);
  std::filesystem::rename(next, file);
}

// From here new connections are answered by another authority's certificate.
void rotate(postgres_cluster& server) {
  const auto data = server.ca_file().parent_path().parent_path() / "data";
  write_file(data / "server.crt", server.wrong_identity().certificate);
  write_file(data / "server.key", server.wrong_identity().key, 0600);
  server.reload({});
}

TEST(faults, F31_new_connections_go_by_the_certificates_as_they_are_now_and_open_ones_live_on) {
  postgres_cluster server;
  const temporary_folder folder{"lido-rotation-"};
  const auto authority = folder.path() / "ca.crt";
  write_file(authority, read_file(server.ca_file()));
  world w{route::tls,
          [&](pool_config& c) {
            impatient(c);
            c.max_size = 4;
            c.connect.sslrootcert = authority;
          },
          server};
  lido::lease first = take(w);
  EXPECT_EQ(end_of(w, ask(w, first, "select 1")), "");

  rotate(server);
  const task_ptr refused = ask(w, "select 1");
  ASSERT_TRUE(w.turn_until([&] { return refused->done; }));
  EXPECT_EQ(refused->error, errc::tls_failed) << "nobody vouches for the new one yet, and waiting would not help";
  EXPECT_EQ(end_of(w, ask(w, first, "select 1")), "") << "an open connection does not notice";

  put(authority, read_file(server.wrong_ca_file()));
  EXPECT_EQ(w.wrong_answers(1), 0) << "served without a reload";
  EXPECT_EQ(end_of(w, ask(w, first, "select 1")), "");
  EXPECT_EQ(w.stats().generation, 0U);

  put(authority, "half a fi");
  lido::lease second = take(w);
  lido::lease third = take(w);
  EXPECT_EQ(end_of(w, ask(w, third, "select 1")), "") << "those before still serve";
  EXPECT_EQ(w.stats().created, 3U);
  first.release();
  second.release();
  third.release();
  EXPECT_TRUE(w.close());
}

// A listener connects again by itself, for years.
TEST(faults, F31_a_listener_connects_again_by_the_certificates_as_they_are_now) {
  postgres_cluster server;
  const temporary_folder folder{"lido-rotation-"};
  const auto authority = folder.path() / "ca.crt";
  write_file(authority, read_file(server.ca_file()));
  run([&](asio::io_context& io) -> asio::awaitable<void> {
    connect_config config = connect_to(server, route::tls, nullptr);
    config.sslrootcert = authority;
    listener_options options;
    options.backoff_max = std::chrono::milliseconds(20);
    listener ears(io.get_executor(), config, options);
    co_await ears.async_listen("news");
    rotate(server);
    put(authority, read_file(server.wrong_ca_file()));
    server.sql("select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'");
    EXPECT_EQ((co_await ears.async_next()).what, listener_event::kind::gap);
    ears.close();
  });
}

}  // namespace
}  // namespace lido::testing
