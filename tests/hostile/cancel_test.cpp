// What may happen to a cancel, on the session and on the cancel connection: the caller has its operation_aborted,
// always and at once; the connection comes back where the fence says so and goes where it does not (B96 to B103).
#include "tests/hostile/hostile_server.hpp"
#include "tests/hostile/pool_of_one.hpp"

#include <gtest/gtest.h>

#include <malloc.h>

#include <cstdlib>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

script next_session() {
  return {steps::trusted_session(), steps::expect_all(prepare_and_run), steps::send(one_row("42")),
          steps::tolerate_loss({steps::wait_for_close()})};
}

void expect_aborted(std::error_code ec) {
  EXPECT_EQ(ec, std::error_code(asio::error::operation_aborted)) << ec.message();
}

void close_pool(pool_of_one& user) {
  const auto close = [](lido::pool& on) -> asio::awaitable<void> { co_await on.async_close(1s); };
  EXPECT_FALSE(user.finish(close(user.pool)));
}

// ---- the answer that comes all the same ----

TEST(hostile_cancel, B96_a_query_that_answers_although_it_was_cancelled_is_aborted_and_its_connection_stays) {
  const auto open = [](const char* gate) {
    return custom([gate](fake_session& session) { session.server().open_gate(gate); });
  };
  const auto again =
      steps::tolerate_loss({steps::expect_all("BES"),
                            steps::send(bind_complete() + data_row({"2"}) + command_complete("SELECT 1") + ready()),
                            steps::wait_for_close()});
  for (const bool answer_first : {false, true}) {
    SCOPED_TRACE(answer_first ? "the answer before the EOF" : "the EOF before the answer");
    const script session =
        answer_first ? script{steps::trusted_session(),
                              steps::expect_all(prepare_and_run),
                              steps::reached("asked"),
                              steps::gate("cancel"),
                              steps::send(one_row("1")),
                              open("answered"),
                              again}
                     : script{steps::trusted_session(), steps::expect_all(prepare_and_run), steps::reached("asked"),
                              steps::gate("ended"),     steps::send(one_row("1")),          again};
    const script cancel = answer_first ? script{steps::expect_cancel_request(), open("cancel"), steps::gate("answered")}
                                       : script{steps::expect_cancel_request(), steps::close_fin(), open("ended")};
    fake_server server{std::vector<script>{session, cancel}};
    pool_of_one user{server};
    expect_aborted(user.cancelled_query(server, "asked"));
    EXPECT_FALSE(user.query());
    const pool_stats s = user.pool.stats();
    EXPECT_EQ(s.created, 1U) << "the same connection";
    EXPECT_EQ(s.cancels.sent, 1U);
    EXPECT_EQ(s.cancels.eof, 1U);
    EXPECT_EQ(s.recovered, 1U);
    EXPECT_EQ(server.connections(), 2U);
    close_pool(user);
    EXPECT_EQ(server.problems(), "");
  }
}

// ---- 57014 that is not ours ----

TEST(hostile_cancel, B97_a_57014_that_nobody_asked_for_is_the_servers_error_whatever_it_says) {
  for (const char* const words :
       {"canceling statement due to user request", "annulation de la requête à la demande de l'utilisateur",
        "canceling statement due to statement timeout", "operation_aborted", ""}) {
    const std::string said = error_response("ERROR", "57014", words);
    const fake_server server{script{steps::trusted_session(), steps::expect_all(prepare_and_run),
                                    steps::send(described() + said + ready()), steps::expect_all("BES"),
                                    steps::send(bind_complete() + said + ready()), steps::expect('Q'),
                                    steps::send(said + ready()), steps::expect('X')}};
    {
      client user{plain_config(server)};
      ASSERT_FALSE(user.connect().error);
      for (const outcome& end : {user.query(), user.query(), user.simple_query("select answer")}) {
        EXPECT_EQ(sqlstate_of(end.error), "57014");
        EXPECT_EQ(end.error, condition::query_canceled);
        EXPECT_NE(end.error, std::error_code(asio::error::operation_aborted));
        EXPECT_NE(end.error, errc::timeout);
      }
      EXPECT_TRUE(user.is_open());
    }
    EXPECT_TRUE(server.wait_until_done(1));
    EXPECT_EQ(server.problems(), "") << words;
  }
}

TEST(hostile_cancel, B97_a_57014_in_time_for_a_deadline_of_another_operation_is_still_the_servers) {
  const fake_server server{script{steps::trusted_session(), steps::expect_all(prepare_and_run),
                                  steps::send(one_row("1")), steps::expect_all("BES"),
                                  steps::send(bind_complete() + error_response("ERROR", "57014", "") + ready()),
                                  steps::tolerate_loss({steps::wait_for_close()})}};
  pool_of_one user{server};
  EXPECT_FALSE(user.query());
  EXPECT_EQ(sqlstate_of(user.query()), "57014");
  EXPECT_EQ(user.pool.stats().cancels.requested, 0U);
  EXPECT_EQ(user.pool.stats().created, 1U);
  close_pool(user);
}

// ---- the cancel connection ----

struct broken_channel {
  const char* name;
  bool tls;
  script cancel;
  bool key_sent;
};

std::vector<broken_channel> channels() {
  const std::string words = error_response("FATAL", "53300", "canary: too many clients");
  const auto gone = steps::tolerate_loss({steps::wait_for_close()});
  const auto asked = steps::expect_ssl_request();
  return {
      {"B99_tls_refused", true, {asked, steps::send("N"), gone}, false},
      {"B99_another_byte", true, {asked, steps::send("X"), gone}, false},
      {"B99_an_error_before_tls", true, {asked, steps::send(words), gone}, false},
      {"B99_reset_at_the_ssl_request", true, {asked, steps::close_rst()}, false},
      {"B99_closed_at_the_ssl_request", true, {asked, steps::close_fin()}, false},
      {"B99_a_tls_alert", true, {asked, steps::send("S"), steps::send(from_hex("15 03 03 00 02 02 28")), gone}, false},
      {"B99_plaintext_behind_the_answer", true, {asked, steps::send("S" + words), gone}, false},
      {"B99_bytes_in_place_of_an_end", false, {steps::expect_cancel_request(), steps::send(words), gone}, true},
      {"B99_reset_in_place_of_an_end", false, {steps::expect_cancel_request(), steps::close_rst()}, true},
      {"B99_ready_in_place_of_an_end", false, {steps::expect_cancel_request(), steps::send(ready()), gone}, true},
  };
}

class hostile_cancel_channel : public ::testing::TestWithParam<std::size_t> {};

TEST_P(hostile_cancel_channel, costs_the_connection_and_is_never_seen_by_a_caller) {
  const broken_channel c = channels()[GetParam()];
  const auto login = c.tls ? steps::tls_session() : steps::trusted_session();
  const script victim{login, steps::expect_all(prepare_and_run), steps::reached("asked"),
                      steps::tolerate_loss({steps::wait_for_close()})};
  const script next{login, steps::expect_all(prepare_and_run), steps::send(one_row("42")),
                    steps::tolerate_loss({steps::wait_for_close()})};
  fake_server server{std::vector<script>{victim, c.cancel, next}};
  pool_config config = pool_of_one::config_for(c.tls ? tls_config(server) : plain_config(server));
  config.drain.timeout = 200ms;  // the session is silent: without a cancel nothing comes any more
  config.cancel.timeout = 300ms;
  std::string logged;
  config.log = [&logged](std::string_view line) { logged += line; };
  pool_of_one user{config};
  expect_aborted(user.cancelled_query(server, "asked"));
  EXPECT_FALSE(user.query());
  const pool_stats s = user.pool.stats();
  EXPECT_EQ(s.created, 2U) << "the connection was used again";
  EXPECT_EQ(s.recovered, 0U);
  EXPECT_EQ(s.cancels.eof, 0U);
  EXPECT_EQ(s.cancels.unknown, c.key_sent ? 1U : 0U);
  EXPECT_EQ(logged.find("canary"), std::string::npos);
  close_pool(user);
  if (!c.key_sent) {
    EXPECT_EQ(server.received(1).find(std::string("\x0b\xad\xca\xfe", 4)), std::string::npos) << "the key was sent";
    EXPECT_EQ(server.received(1).substr(0, 8), from_hex("00000008 04d2162f"));
  }
}

INSTANTIATE_TEST_SUITE_P(broken, hostile_cancel_channel, ::testing::Range(std::size_t{0}, channels().size()),
                         [](const auto& of) { return std::string(channels()[of.param].name); });

TEST(hostile_cancel, B100_a_cancel_connection_that_never_ends_costs_the_session_at_the_cancel_deadline) {
  // the session even answers: without the EOF nobody knows when the signal comes
  const script victim{steps::trusted_session(),  steps::expect_all(prepare_and_run),
                      steps::reached("asked"),   steps::gate("cancelled"),
                      steps::send(one_row("1")), steps::tolerate_loss({steps::wait_for_close()})};
  const script cancel{steps::expect_cancel_request(),
                      custom([](fake_session& session) { session.server().open_gate("cancelled"); }),
                      steps::tolerate_loss({steps::wait_for_close()})};
  fake_server server{std::vector<script>{victim, cancel, next_session()}};
  pool_config config = pool_of_one::config_for(plain_config(server));
  config.cancel.timeout = 200ms;
  {
    pool_of_one user{config};
    expect_aborted(user.cancelled_query(server, "asked"));
    EXPECT_FALSE(user.query());
    const pool_stats s = user.pool.stats();
    EXPECT_EQ(s.cancels.sent, 1U);
    EXPECT_EQ(s.cancels.eof, 0U);
    EXPECT_EQ(s.cancels.unknown, 1U);
    EXPECT_EQ(s.of(close_reason::cancel_unknown), 1U);
    EXPECT_EQ(s.recovered, 0U);
    EXPECT_EQ(s.created, 2U);
    close_pool(user);
  }
  EXPECT_TRUE(server.wait_until_done(3));
  EXPECT_EQ(server.problems(), "");
}

// ---- a byte, then silence ----

TEST(hostile_silence, B103_one_byte_of_an_answer_and_then_nothing_ends_at_the_operations_deadline) {
  for (const std::string& said : {std::string("1"), described() + "D", described() + data_row({"42"}) + "C"}) {
    fake_server server{std::vector<script>{
        {steps::trusted_session(auth_ok() + usual_parameters() + ready()), steps::expect_all(prepare_and_run),
         steps::send(said), steps::tolerate_loss({steps::wait_for_close()})},
        next_session()}};
    pool_of_one user{server};
    const auto ask = [](lido::pool& on) -> asio::awaitable<void> {
      co_await on.async_query(within(100ms), "select answer");
    };
    EXPECT_EQ(user.finish(ask(user.pool)), errc::timeout);
    EXPECT_FALSE(user.query());
    EXPECT_EQ(user.pool.stats().created, 2U);
    close_pool(user);
    EXPECT_EQ(server.problems(), "");
  }
}

TEST(hostile_silence, B103_one_byte_on_an_idle_connection_and_then_nothing_is_found_by_the_ping_before_use) {
  fake_server server{
      std::vector<script>{{steps::trusted_session(), steps::expect_all(prepare_and_run),
                           steps::send(one_row("1") + "N"), steps::tolerate_loss({steps::wait_for_close()})},
                          next_session()}};
  pool_config config = pool_of_one::config_for(plain_config(server));
  config.validate_after_idle = 1ns;
  config.validation_timeout = 100ms;
  pool_of_one user{config};
  EXPECT_FALSE(user.query());
  EXPECT_FALSE(user.query()) << "the user saw it";
  EXPECT_EQ(user.pool.stats().of(close_reason::ping_failed), 1U);
  EXPECT_EQ(user.pool.stats().created, 2U);
  close_pool(user);
  EXPECT_EQ(server.problems(), "");
}

// ---- notices without end ----

TEST(hostile_notices, B90_a_million_notices_of_one_query_are_counted_and_a_callback_gets_a_thousand_a_second) {
  constexpr std::size_t at_once = 1000;
  const char* const scale = std::getenv("LIDO_TEST_SCALE");  // NOLINT(concurrency-mt-unsafe): nothing else runs
  const std::size_t a_million = at_once * static_cast<std::size_t>(scale ? 20 + 980 * std::atof(scale) : 1000);
  std::string some;
  for (std::size_t i = 0; i < at_once; ++i) some += notice_response("NOTICE", "00000", "n");
  const fake_server server{script{steps::trusted_session(), steps::expect_all(prepare_and_run),
                                  steps::send_repeatedly(some, a_million / at_once), steps::send(one_row("42")),
                                  steps::expect('X')}};
  std::size_t heard = 0;
  connect_config config = plain_config(server);
  config.on_notice = [&heard](const diagnostics&) { ++heard; };
  {
    client user{config, 60s};
    ASSERT_FALSE(user.connect().error);
    const auto allocated = [] {
      const auto now = ::mallinfo2();
      return now.uordblks + now.hblkhd;
    };
    const auto before = allocated();
    std::uint64_t dropped = 0;
    const auto ask = [&](connection& db) -> asio::awaitable<void> {
      const auto rows = co_await db.async_query<std::string>(within(60s), "select answer");
      EXPECT_EQ(rows.one(), "42");
      EXPECT_LT(allocated(), before + (8U << 20));
      dropped = db.notices_dropped();
    };
    EXPECT_FALSE(user.run(ask).error);
    EXPECT_EQ(heard + dropped, a_million);
    EXPECT_GE(heard, 1000U);
    EXPECT_GT(dropped, 0U);
  }
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
}

}  // namespace
}  // namespace lido::testing
