// lido-storm as its users run it: its output, its JSON, its exit status, over a server of our own.
#include "bench/storm/live_display.hpp"
#include "tests/support/descriptor.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/files.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/process.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using lido::testing::eventually;
using lido::testing::postgres_cluster;
using lido::testing::process_result;
using lido::testing::shared_cluster;
using namespace std::chrono_literals;
using arguments = std::vector<std::string>;

std::string dsn(const postgres_cluster& server, std::uint16_t port) {
  return "postgresql://" + server.user() + ":" + server.password() + "@" + server.host() + ":" + std::to_string(port) +
         "/" + server.database() + "?sslrootcert=" + server.ca_file().string();
}

arguments command(arguments more) {
  arguments all{LIDO_STORM, "--dsn", dsn(shared_cluster(), shared_cluster().port())};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

process_result storm(arguments more) { return lido::testing::run_process(command(std::move(more)), {}, 60s); }

// A small load that ends by itself.
process_result small_storm(arguments more) {
  arguments all{"--tasks", "4", "--connections", "2", "--operations", "20", "--quiet", "--json", "-"};
  all.insert(all.end(), more.begin(), more.end());
  return storm(std::move(all));
}

std::uint64_t number(const std::string& json, const std::string& key) {
  const std::size_t at = json.find("\"" + key + "\":");
  return at == std::string::npos ? ~std::uint64_t{0} : std::stoull(json.substr(at + key.size() + 3));
}

// One that runs until somebody ends it.
class endless_storm {
 public:
  explicit endless_storm(arguments more) {
    const auto open = [this](const char* name) {
      const std::string file = folder_.path() / name;
      return lido::testing::descriptor{::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
    };
    const auto output = open("output");
    const auto errors = open("errors");
    arguments all{"--tasks", "4",         "--connections",  "4", "--seconds",       "600",   "--quiet",
                  "--json",  json_file(), "--cancel-ratio", "0", "--bystander-sql", sleeping};
    all.insert(all.end(), more.begin(), more.end());
    lido::testing::child_settings s;
    s.arguments = command(std::move(all));
    s.output = output.get();
    s.errors = errors.get();
    s.parent_death_signal = SIGKILL;
    child_ = lido::testing::child_process{s};
  }

  // True when each task runs a statement that began after it was started, or last hurt: that is more than were tried
  // before the storm.
  [[nodiscard]] bool rages() const {
    return eventually([this] {
      return std::stoi(shared_cluster().sql("select count(*) " + of_running + " and query_start > '" + since_ + "'")) ==
             4;
    });
  }
  void hurt(const char* function) {
    since_ = now();
    shared_cluster().sql("select " + std::string{function} + "(pid) " + of_running);
  }
  void signal(int number) const { child_.signal(number); }
  [[nodiscard]] std::optional<int> wait() { return child_.wait(30s); }
  [[nodiscard]] std::string errors() const { return lido::testing::read_file(folder_.path() / "errors"); }
  [[nodiscard]] std::string json() const { return lido::testing::read_file(json_file()); }

  static constexpr const char* sleeping = "select $1::bigint from pg_sleep(60)";
  static inline const std::string of_running =
      "from pg_stat_activity where state = 'active' and query = '" + std::string{sleeping} + "'";

 private:
  [[nodiscard]] std::string json_file() const { return folder_.path() / "storm.json"; }

  static std::string now() { return shared_cluster().sql("select clock_timestamp()"); }

  lido::testing::temporary_folder folder_{"lido-storm-test-"};
  std::string since_ = now();
  lido::testing::child_process child_;
};

TEST(storm_display, a_line_never_fills_the_last_column_of_a_terminal) {
  using lido::storm::cut_to;
  EXPECT_EQ(cut_to("0123456789", 80), "0123456789");
  EXPECT_EQ(cut_to("0123456789", 11), "0123456789");
  EXPECT_EQ(cut_to("0123456789", 10), "012345678");
  EXPECT_EQ(cut_to("0123456789", 1), "");
  EXPECT_EQ(cut_to("0123456789", 0), "0123456789") << "a terminal that does not say";
}

TEST(storm_program, the_json_has_its_keys_in_order_and_a_healthy_server_gives_0) {
  const process_result r = small_storm({});
  EXPECT_EQ(r.status, 0) << r.errors << r.output;
  std::size_t at = 0;
  for (const std::string_view key : {"{\"operations\":20,\"completed\":",
                                     "\"cancelled\":",
                                     "\"errors\":{},",
                                     "\"unexpected\":0,",
                                     "\"stray_cancels\":0,",
                                     "\"cancel_latency_us\":{\"p50\":",
                                     "\"p99\":",
                                     "\"max\":",
                                     "\"acquire_latency_us\":{\"p50\":",
                                     "\"p99\":",
                                     "\"max\":",
                                     "\"recovery_latency_us\":{\"p50\":",
                                     "\"p99\":",
                                     "\"max\":",
                                     "\"connections\":{\"opened\":2,",
                                     "\"recovered\":",
                                     "\"closed\":{",
                                     "\"cancels\":{",
                                     "\"sent\":",
                                     "\"eof\":",
                                     "\"failed\":{",
                                     "\"unknown\":",
                                     "\"suppressed\":{",
                                     "\"pool\":{\"max\":2,",
                                     "\"idle\":",
                                     "\"leased\":0,",
                                     "\"recovering\":0,",
                                     "\"connecting\":",
                                     "\"waiting\":0}",
                                     "\"slots_leaked\":0,",
                                     "\"seconds\":"}) {
    const std::size_t found = r.output.find(key, at);
    ASSERT_NE(found, std::string::npos) << key << " in " << r.output;
    at = found + key.size();
  }
  EXPECT_EQ(number(r.output, "completed") + number(r.output, "cancelled"), 20U);
}

TEST(storm_program, errors_of_the_statement_are_named_and_no_breach) {
  const process_result r = small_storm({"--cancel-ratio", "0", "--bystander-sql", "select 1/0"});
  EXPECT_EQ(r.status, 0) << r.errors << r.output;
  EXPECT_NE(r.output.find("\"errors\":{\"division_by_zero\":20}"), std::string::npos) << r.output;
}

TEST(storm_program, a_queue_that_is_full_by_configuration_is_no_breach) {
  const postgres_cluster& server = shared_cluster();
  const process_result r =
      small_storm({"--dsn", dsn(server, server.port()) + "&pool_max_waiters=1", "--connections", "1"});
  EXPECT_EQ(r.status, 0) << r.errors << r.output;
  EXPECT_NE(r.output.find("\"errors\":{\"too_many_waiters\":"), std::string::npos) << r.output;
}

TEST(I16_storm_program, a_foreign_cancel_is_stray_and_gives_1) {
  endless_storm storm{{}};
  ASSERT_TRUE(storm.rages()) << storm.errors();
  storm.hurt("pg_cancel_backend");
  ASSERT_TRUE(storm.rages()) << storm.errors();
  storm.signal(SIGINT);
  EXPECT_EQ(storm.wait(), 1) << storm.errors();
  EXPECT_EQ(number(storm.json(), "stray_cancels"), 4U) << storm.json();
}

TEST(storm_program, a_killed_backend_is_an_error_and_no_breach) {
  endless_storm storm{{}};
  ASSERT_TRUE(storm.rages()) << storm.errors();
  storm.hurt("pg_terminate_backend");
  ASSERT_TRUE(storm.rages()) << storm.errors();
  storm.signal(SIGINT);
  EXPECT_EQ(storm.wait(), 0) << storm.errors() << storm.json();
  EXPECT_NE(storm.json().find("\"errors\":{\"disconnected\":4}"), std::string::npos) << storm.json();
}

TEST(storm_program, a_signal_ends_it_with_statements_under_way_which_are_counted_apart) {
  for (const int number_of_signal : {SIGINT, SIGTERM}) {
    endless_storm storm{{}};
    ASSERT_TRUE(storm.rages()) << storm.errors();
    storm.signal(number_of_signal);
    EXPECT_EQ(storm.wait(), 0) << storm.errors();
    EXPECT_EQ(number(storm.json(), "interrupted"), 4U) << storm.json();
    EXPECT_EQ(number(storm.json(), "operations"), 0U) << storm.json();
    EXPECT_EQ(number(storm.json(), "cancelled"), 0U) << storm.json();
    EXPECT_TRUE(eventually([] { return shared_cluster().sql("select count(*) " + endless_storm::of_running) == "0"; }));
  }
}

TEST(storm_program, a_second_signal_ends_it_at_once) {
  endless_storm storm{{"--cancel-channel", "request"}};
  ASSERT_TRUE(storm.rages()) << storm.errors();
  shared_cluster().stop_postmaster();  // so that the pool does not come to rest
  storm.signal(SIGINT);
  storm.signal(SIGTERM);
  const std::optional<int> status = storm.wait();
  shared_cluster().continue_postmaster();
  storm.hurt("pg_terminate_backend");  // nobody is left who would cancel them
  EXPECT_TRUE(status == 128 + SIGINT || status == 128 + SIGTERM) << status.value_or(-1) << storm.errors();
}

TEST(storm_program, the_end_of_the_seconds_ends_long_statements) {
  const process_result r = storm({"--tasks", "2", "--connections", "2", "--seconds", "0.3", "--quiet", "--json", "-",
                                  "--cancel-ratio", "0", "--bystander-sql", "select pg_sleep(60)"});
  EXPECT_EQ(r.status, 0) << r.errors << r.output;
  EXPECT_EQ(number(r.output, "interrupted"), 2U) << r.output;
  EXPECT_EQ(number(r.output, "operations"), 0U) << r.output;
}

TEST(storm_program, a_statement_that_cannot_be_judged_is_refused_with_the_reason_and_2) {
  for (const auto& [sql, reason] :
       std::initializer_list<std::pair<const char*, const char*>>{{"select '$1'", "quotes"},
                                                                  {"copy pg_class to stdout", "COPY"},
                                                                  {"select $1::bigint where false", "answered 0 rows"},
                                                                  {"select $1::bigint, 2", "of 2"},
                                                                  {"select $1::bigint + 1", "answered another"},
                                                                  {"select * from there_is_no_such_table", "42P01"}}) {
    for (const char* option : {"--sql", "--bystander-sql"}) {
      const process_result r = small_storm({option, sql});
      EXPECT_EQ(r.status, 2) << sql;
      EXPECT_NE(r.errors.find(std::string{"lido-storm: "} + option + " cannot be judged"), std::string::npos)
          << r.errors;
      EXPECT_NE(r.errors.find(reason), std::string::npos) << r.errors;
      EXPECT_EQ(r.output, "");
    }
  }
}

TEST(storm_program, json_on_standard_output_is_alone_there_and_the_table_on_standard_error) {
  const process_result r = storm({"--tasks", "2", "--connections", "2", "--operations", "10", "--json", "-"});
  EXPECT_EQ(r.status, 0) << r.errors;
  EXPECT_TRUE(r.output.starts_with("{\"operations\":10,")) << r.output;
  EXPECT_EQ(r.output.find('\n'), r.output.size() - 1);
  EXPECT_NE(r.errors.find("what the tasks saw"), std::string::npos) << r.errors;
  EXPECT_NE(r.errors.find("OK: every task saw only its own result"), std::string::npos) << r.errors;
}

TEST(storm_program, the_table_has_the_first_words_of_each_error_and_claims_no_results_that_nobody_had) {
  const process_result r = storm({"--tasks", "2", "--connections", "2", "--operations", "10", "--cancel-ratio", "0",
                                  "--bystander-sql", "select 1/0"});
  EXPECT_EQ(r.status, 0) << r.errors;
  EXPECT_NE(r.output.find("first division_by_zero: "), std::string::npos) << r.output;
  EXPECT_NE(r.output.find("division by zero"), std::string::npos) << r.output;
  EXPECT_EQ(r.output.find("own result or its own cancellation"), std::string::npos) << r.output;
  EXPECT_NE(r.output.find("nobody had a result: 10 of 10"), std::string::npos) << r.output;
}

TEST(storm_program, a_json_file_that_cannot_be_written_is_told_before_the_run) {
  const std::string no_server = dsn(shared_cluster(), lido::testing::free_port());
  const process_result r = lido::testing::run_process({LIDO_STORM, "--dsn", no_server, "--json", "/no/such/folder/x"});
  EXPECT_EQ(r.status, 2);
  EXPECT_NE(r.errors.find("cannot write /no/such/folder/x: No such file"), std::string::npos) << r.errors;
}

TEST(storm_program, a_full_standard_output_gives_2) {
  for (const arguments& how : {arguments{}, arguments{"--quiet", "--json", "-"}}) {
    const lido::testing::descriptor full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
    arguments all{"--tasks", "2", "--connections", "2", "--operations", "10"};
    all.insert(all.end(), how.begin(), how.end());
    lido::testing::child_settings s;
    s.arguments = command(std::move(all));
    s.output = full.get();
    lido::testing::child_process child{s};
    EXPECT_EQ(child.wait(60s), 2);
  }
}

TEST(storm_program, no_server_is_told_once_and_gives_2) {
  const process_result r = lido::testing::run_process(
      {LIDO_STORM, "--dsn", dsn(shared_cluster(), lido::testing::free_port()), "--json", "-"}, {}, 60s);
  EXPECT_EQ(r.status, 2);
  EXPECT_TRUE(r.errors.starts_with("lido-storm: ")) << r.errors;
  EXPECT_EQ(r.output, "");
}

TEST(storm_program, a_wrong_command_line_gives_2_and_names_what_is_wrong) {
  for (const auto& [line, reason] : std::initializer_list<std::pair<arguments, const char*>>{
           {{"--no-such-option"}, "--no-such-option"},
           {{"--tasks"}, "--tasks needs a value"},
           {{"--tasks", "0"}, "--tasks"},
           {{"--cancel-ratio", "1.5"}, "--cancel-ratio"},
           {{"--seconds", "1", "--operations", "2"}, "not both"},
           {{"--cancel-after-ms", "5..1"}, "--cancel-after-ms: MIN is above MAX: 5..1"},
           {{"--cancel-channel", "pigeon"}, "pigeon"}}) {
    const process_result r = storm(line);
    EXPECT_EQ(r.status, 2) << reason;
    EXPECT_NE(r.errors.find(reason), std::string::npos) << r.errors;
  }
  EXPECT_EQ(lido::testing::run_process({LIDO_STORM}).status, 2);
  EXPECT_EQ(lido::testing::run_process({LIDO_STORM, "--help"}).status, 0);
}

}  // namespace
