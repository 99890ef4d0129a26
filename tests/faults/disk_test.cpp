// The server's disk is full: that of a table (F34), that of its log (F35).
#include "tests/faults/privilege.hpp"
#include "tests/faults/users.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace lido::testing {
namespace {

// One whose disks are played with.
postgres_cluster& full_cluster() {
  static postgres_cluster cluster;
  return cluster;
}

std::filesystem::path folder_of(const postgres_cluster& server) { return server.socket_dir().parent_path(); }

TEST(faults, F34_a_full_disk_is_an_error_like_any_other_and_the_connection_is_kept) {
  postgres_cluster& server = full_cluster();
  const small_disk disk{folder_of(server) / "small", "3m", server_account()};
  if (!disk.made()) return not_made_here("F34", disk.why());
  world w{route::unix_socket, small, server};
  w.server().sql("create tablespace small location '" + (folder_of(server) / "small").string() + "'");
  w.server().sql("create table f34 (x text) tablespace small; grant all on f34 to public");
  lido::lease held = take(w);
  const task_ptr user =
      ask(w, held, "insert into f34 select repeat(md5(i::text), 30) from generate_series(1, 20000) i");
  EXPECT_EQ(end_of(w, user), "53100");
  EXPECT_FALSE(is_disconnect(user->error));
  EXPECT_EQ(end_of(w, ask(w, held, "insert into f34 values ('one row')")), "") << "what it wrote was undone";
  held.release();
  EXPECT_EQ(w.wrong_answers(4), 0);
  EXPECT_LE(w.stats().created, 2U);
  EXPECT_EQ(w.stats().of(close_reason::disconnected), 0U);
  EXPECT_TRUE(w.close());
  server.sql("drop table f34");
  server.sql("drop tablespace small");
}

TEST(faults, F35_a_full_disk_under_the_servers_log_takes_all_sessions_down_and_the_pool_comes_back) {
  postgres_cluster& server = full_cluster();
  const auto wal = folder_of(server) / "data" / "pg_wal";
  const auto place = folder_of(server) / "wal";
  small_disk disk{place, "40m", server_account()};  // of 16 MiB a segment
  if (!disk.made()) return not_made_here("F35", disk.why());
  server.stop();
  ASSERT_TRUE(shell("cp -a " + wal.string() + "/. " + place.string() + " && rm -r " + wal.string() + " && ln -s " +
                    place.string() + " " + wal.string()));
  server.start();
  server.sql("create table f35 (x text); grant all on f35 to public");
  world w{route::unix_socket, small, server};
  w.warm(2);
  const task_ptr writer = ask(w, "insert into f35 select repeat(md5(i::text), 30) from generate_series(1, 90000) i");
  ASSERT_TRUE(w.turn_until([&] { return writer->done; }, 60s));
  EXPECT_TRUE(is_disconnect(writer->error)) << writer->error.message();
  EXPECT_FALSE(writer->outcome_known);
  ASSERT_TRUE(w.turn_until([&] { return w.stats().size() == 0; })) << "57P02 for the others";
  EXPECT_NE(server.log().find("PANIC"), std::string::npos);
  const task_ptr waiting = ask(w, "select count(*) from f35");
  server.stop(stop_mode::immediate);  // or it has given up by itself
  disk.resize("400m");                // somebody makes room
  server.start();
  EXPECT_EQ(end_of(w, waiting), "");
  EXPECT_FALSE(waiting->error) << waiting->error.message();
  EXPECT_EQ(w.wrong_answers(6), 0);
  EXPECT_TRUE(w.close());
  server.stop(stop_mode::immediate);  // before its disk goes
}

}  // namespace
}  // namespace lido::testing
