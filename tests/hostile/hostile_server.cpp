#include "tests/hostile/hostile_server.hpp"

#include "tests/support/coroutines.hpp"

#include <lido/driver/connection.hpp>
#include <lido/driver/transaction.hpp>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include <exception>
#include <utility>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

constexpr auto heartbeat = 5ms;

connect_config base_config(const fake_server& server) {
  connect_config config;
  config.host = server.host();
  config.port = server.port();
  config.user = "lido";
  config.database = "lido";
  config.connect_timeout = 3s;  // less than the fake server's own patience: a hang is told as the client's
  return config;
}

std::vector<std::vector<field>> cells_of(const result<>& from) {
  std::vector<std::vector<field>> rows;
  for (const row each : from) {
    auto& cells = rows.emplace_back();
    for (std::size_t i = 0; i < each.size(); ++i) cells.push_back(each.get<std::optional<std::string>>(i));
  }
  return rows;
}

void take(outcome& into, const result<>& from) {
  into.rows = cells_of(from);
  into.tag = from.command_tag();
  into.affected_rows = from.affected_rows();
  ++into.results;
}

}  // namespace

connect_config plain_config(const fake_server& server) {
  auto config = base_config(server);
  config.sslmode = sslmode::disable;
  return config;
}

connect_config password_config(const fake_server& server) {
  auto config = plain_config(server);
  config.password = secret(scram_settings{}.password);
  return config;
}

connect_config tls_config(const fake_server& server) {
  auto config = base_config(server);
  config.sslrootcert = server.ca_file();
  return config;
}

std::string words_of(const outcome& out) {
  const auto& d = out.diag;
  std::string all = error(out.error, d).what();
  for (const auto* each : {&d.severity, &d.sqlstate, &d.message, &d.detail, &d.hint, &d.where, &d.context}) {
    all += '\n' + *each;
  }
  return all + '\n' + d.summary();
}

struct client::state {
  state(connect_config c, std::chrono::milliseconds p) : config{std::move(c)}, patience{p} {}

  struct pending {
    outcome out;
    bool done = false;
  };

  void beat(const std::shared_ptr<pending>& waiting) {
    timer.expires_after(heartbeat);
    timer.async_wait([this, waiting](std::error_code ec) {
      if (ec || waiting->done) return;
      ++heartbeats;
      beat(waiting);
    });
  }
  outcome finish(const std::shared_ptr<pending>& waiting) {
    const auto deadline = std::chrono::steady_clock::now() + hang_guard;
    heartbeats = 0;
    beat(waiting);
    io.restart();
    while (!waiting->done && io.run_one_until(deadline) > 0) continue;
    timer.cancel();
    EXPECT_TRUE(waiting->done) << "the operation did not end";
    return std::move(waiting->out);
  }
  template <class Start>
  outcome run_query(Start start) {
    const auto waiting = std::make_shared<pending>();
    start(within(patience, &waiting->out.diag), [waiting](std::error_code ec, const result<>& rows) {
      waiting->out.error = ec;
      if (!ec) take(waiting->out, rows);
      waiting->done = true;
    });
    return finish(waiting);
  }
  outcome run_task(asio::awaitable<void> task, const std::shared_ptr<pending>& waiting) {
    spawn(io.get_executor(), std::move(task), [waiting](const std::exception_ptr& failure) {
      try {
        if (failure) std::rethrow_exception(failure);
      } catch (const error& said) {
        waiting->out.error = said.code();
        waiting->out.diag = said.diag();
      }
      waiting->done = true;
    });
    return finish(waiting);
  }

  asio::io_context io{1};
  asio::steady_timer timer{io};
  std::size_t heartbeats = 0;
  connect_config config;
  std::chrono::milliseconds patience;
  connection db;
};

client::client(connect_config config, std::chrono::milliseconds patience)
    : state_{std::make_unique<state>(std::move(config), patience)} {}
client::~client() = default;

outcome client::connect() {
  const auto waiting = std::make_shared<state::pending>();
  op_options options;
  options.diag = &waiting->out.diag;
  connection::async_connect_with(
      [this, waiting](std::error_code ec, connection made) {
        waiting->out.error = ec;
        state_->db = std::move(made);
        waiting->done = true;
      },
      state_->io.get_executor(), state_->config, options);
  return state_->finish(waiting);
}

outcome client::query(std::string_view sql) {
  return state_->run_query(
      [&](op_options options, auto done) { state_->db.async_query_with(std::move(done), options, sql); });
}

outcome client::query_with(std::string_view sql, std::int32_t value) {
  return state_->run_query(
      [&](op_options options, auto done) { state_->db.async_query_with(std::move(done), options, sql, value); });
}

outcome client::simple_query(std::string_view sql) {
  const auto waiting = std::make_shared<state::pending>();
  const auto task = [](state& self, std::string text, std::shared_ptr<state::pending> end) -> asio::awaitable<void> {
    const auto results = co_await self.db.async_simple_query(text, within(self.patience));
    for (const auto& each : results) take(end->out, each);
  };
  return state_->run_task(task(*state_, std::string{sql}, waiting), waiting);
}

outcome client::begin_and_commit() {
  const auto waiting = std::make_shared<state::pending>();
  const auto task = [](state& self) -> asio::awaitable<void> {
    transaction tx = co_await self.db.async_begin({}, within(self.patience));
    co_await tx.async_commit(within(self.patience));
  };
  return state_->run_task(task(*state_), waiting);
}

outcome client::run(const std::function<asio::awaitable<void>(connection&)>& work) {
  const auto waiting = std::make_shared<state::pending>();
  return state_->run_task(work(state_->db), waiting);
}

std::chrono::milliseconds client::patience() const { return state_->patience; }
bool client::is_open() const { return state_->db.is_open(); }
std::optional<std::string> client::parameter(std::string_view name) const { return state_->db.server_parameter(name); }
std::size_t client::heartbeats() const { return state_->heartbeats; }

bool client::wait_until_closed() {
  const auto deadline = std::chrono::steady_clock::now() + hang_guard;
  state_->io.restart();
  while (is_open() && state_->io.run_one_until(deadline) > 0) continue;
  return !is_open();
}

std::string sent(const fake_server& server, std::size_t connection) {
  const std::string bytes = server.received(connection);
  const auto number = [&](std::size_t at) {
    std::size_t value = 0;
    for (std::size_t i = at; i < at + 4 && i < bytes.size(); ++i) {
      value = value << 8 | static_cast<unsigned char>(bytes[i]);
    }
    return value;
  };
  std::string types;
  std::size_t at = 0;
  while (at < bytes.size() && bytes[at] == '\0') {  // packets without a type
    const std::size_t code = number(at + 4);
    types += code == 80877103 ? '!' : code == 80877102 ? '~' : '^';
    at += number(at);
  }
  for (; at < bytes.size(); at += 1 + number(at + 1)) types += bytes[at];
  return types;
}

step custom(std::function<void(fake_session&)> run) { return {"custom", std::move(run)}; }

step read_client_hello() {
  return custom([](fake_session& session) { (void)session.stream().receive_some(); });
}

std::string described() {
  return parse_complete() + parameter_description({}) + row_description({{"answer"}}) + bind_complete();
}

std::string one_row(const std::string& value) {
  return described() + data_row({value}) + command_complete("SELECT 1") + ready();
}

void expect_login_killed(const std::string& greeting, std::error_code error) {
  const fake_server server{script{steps::expect_startup(), steps::send(greeting), steps::wait_for_close()}};
  client user{plain_config(server)};
  EXPECT_EQ(user.connect().error, error);
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  EXPECT_EQ(sent(server), "^");
  EXPECT_EQ(server.connections(), 1U);
}

namespace {

void expect_killed(const script& session, std::error_code error, const std::string& messages,
                   const std::function<outcome(client&)>& run) {
  const fake_server server{session};
  client user{plain_config(server)};
  ASSERT_FALSE(user.connect().error);
  EXPECT_EQ(run(user).error, error);
  EXPECT_FALSE(user.is_open());
  EXPECT_TRUE(is_disconnect(user.query().error));
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  EXPECT_EQ(sent(server), messages);
}

}  // namespace

void expect_query_killed(const std::string& answer, std::error_code error) {
  const script session{steps::trusted_session(), steps::expect_all(prepare_and_run), steps::send(answer),
                       steps::wait_for_close()};
  expect_killed(session, error, "^PDBES", [](client& user) { return user.query(); });
}

void expect_simple_query_killed(const std::string& answer, std::error_code error) {
  const script session{steps::trusted_session(), steps::expect('Q'), steps::send(answer), steps::wait_for_close()};
  expect_killed(session, error, "^Q", [](client& user) { return user.simple_query("select answer"); });
}

}  // namespace lido::testing
