#include "tests/contract/harness.hpp"

#include "tests/support/channel_of_tests.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>

#include <atomic>
#include <cstdlib>
#include <string>
#include <utility>

namespace lido::testing {

namespace {

std::string new_application_name() {
  static std::atomic<int> count{0};
  return "contract-" + std::to_string(++count);
}

void take_error(task& into, const std::exception_ptr& thrown) {
  if (!thrown) return;
  try {
    std::rethrow_exception(thrown);
  } catch (const lido::error& e) {
    into.error = e.code();
    into.outcome_known = e.outcome_known();
  } catch (const std::system_error& e) {
    into.error = e.code();
  }
}

// Behind the proxy nobody can be named to the server: with the session as the only way nothing could be cancelled
// there.
cancel_channel_choice channel_on(route way) {
  const auto choice = channel_of_tests();
  return through_proxy(way) && choice == cancel_channel_choice::session ? cancel_channel_choice::automatic : choice;
}

asio::awaitable<void> run_statement(lido::pool& pool, std::string sql) {
  lido::lease db = co_await pool.async_acquire();
  co_await db->async_query(sql);
}

asio::awaitable<void> ask_back(lido::pool& pool, int number, int& wrong) {
  const auto answer = co_await pool.async_query<std::int32_t>("select $1::int", number);
  if (answer.one() != number) ++wrong;
}

}  // namespace

const char* to_string(route way) {
  switch (way) {
    case route::unix_socket: return "unix_socket";
    case route::plain: return "plain";
    case route::tls: return "tls";
    case route::unix_proxy: return "unix_proxy";
    case route::plain_proxy: return "plain_proxy";
    case route::tls_proxy: return "tls_proxy";
  }
  return "?";
}

connect_config connect_to(const postgres_cluster& cluster, route way, const fault_proxy* through) {
  connect_config out;
  out.host = is_unix(way) ? cluster.socket_dir().string() : cluster.host();
  if (through != nullptr && is_unix(way)) out.host = through->host();
  out.port = through != nullptr ? through->port() : cluster.port();
  out.user = cluster.user();
  out.database = cluster.database();
  if (!is_unix(way)) out.password = std::string_view(cluster.password());
  out.sslmode = encrypted(way) ? sslmode::verify_full : sslmode::disable;
  if (encrypted(way)) out.sslrootcert = cluster.ca_file();
  out.close_timeout = 500ms;
  return out;
}

bool is_aborted(const std::error_code& ec) { return ec == std::error_code(asio::error::operation_aborted); }

int scaled(int full, int least) {
  const char* text = std::getenv("LIDO_TEST_SCALE");
  const double scale = text ? std::atof(text) : 1.0;
  const int count = static_cast<int>(full * scale);
  return count < least ? least : count;
}

world::world(route way, const tweak& edit, postgres_cluster& cluster) : cluster_{cluster} {
  if (way == route::tls_proxy) {
    proxy.emplace(cluster);
  } else if (way == route::plain_proxy || way == route::unix_proxy) {
    proxy_settings settings;
    settings.port = cluster.port();
    if (way == route::unix_proxy) settings.socket_dir = cluster.socket_dir();
    proxy.emplace(settings);
  }
  config_.connect = connect_to(cluster, way, proxy ? &*proxy : nullptr);
  config_.connect.application_name = new_application_name();
  config_.max_size = 2;
  config_.cancel.channel = channel_on(way);
  if (edit) edit(config_);
  pool.emplace(io.get_executor(), config_);
}

world::~world() {
  if (!pool) return;
  pool.reset();
  drain_ready();
}

bool world::turn_until(const std::function<bool()>& condition, std::chrono::milliseconds budget) {
  const auto end = std::chrono::steady_clock::now() + budget;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    if (io.stopped()) io.restart();
    io.run_one_for(5ms);
  }
  return true;
}

void world::drain_ready() {
  if (io.stopped()) io.restart();
  io.poll();
}

int world::turns_until_done(const task& work, int limit) {
  int turns = 0;
  while (!work.done && turns <= limit) {
    if (io.stopped()) io.restart();
    io.poll_one();
    ++turns;
  }
  return turns;
}

task_ptr world::start(asio::awaitable<void> body) {
  auto made = std::make_shared<task>();
  asio::co_spawn(io, std::move(body),
                 asio::bind_cancellation_slot(made->signal.slot(), [made](std::exception_ptr thrown) {
                   take_error(*made, thrown);
                   made->done = true;
                 }));
  return made;
}

task_ptr world::start_statement(std::string sql) { return start(run_statement(*pool, std::move(sql))); }

int world::wrong_answers(int users) {
  static int number = 0;
  int wrong = 0;
  std::vector<task_ptr> tasks;
  for (int i = 0; i < users; ++i) tasks.push_back(start(ask_back(*pool, ++number, wrong)));
  for (const task_ptr& each : tasks) {
    if (!turn_until([&] { return each->done; }, 60s)) std::abort();  // its frame refers to ours
    if (each->error) ++wrong;
  }
  return wrong;
}

void world::warm(int connections) {
  std::vector<lido::lease> held;
  const auto take = [](world& self, std::vector<lido::lease>& into) -> asio::awaitable<void> {
    // A slow machine connects for longer than the test's own acquire_timeout may be.
    lido::lease db = co_await self.pool->async_acquire(lido::within(20s));
    into.push_back(std::move(db));
  };
  for (int i = 0; i < connections; ++i) start(take(*this, held));
  if (!turn_until([&] { return held.size() == static_cast<std::size_t>(connections); })) std::abort();
  held.clear();
  settle();
}

bool world::all_home() const {
  const pool_stats s = stats();
  return s.waiting == 0 && s.size() == s.idle;
}

bool world::settle(std::chrono::milliseconds budget) {
  return turn_until([this] { return all_home(); }, budget);
}

std::string world::how_many_run(std::string_view text) const {
  return "select count(*) from pg_stat_activity where state = 'active' and application_name = '" + application() +
         "' and query like '%" + std::string(text) + "%'";
}

int world::running(std::string_view text) const { return std::stoi(cluster_.sql(how_many_run(text))); }

bool world::answered(std::string_view text) const {
  return cluster_.sql("select count(*) from pg_stat_activity where state like 'idle%' and application_name = '" +
                      application() + "' and query like '%" + std::string(text) + "%'") == "1";
}

// A cancel that comes between a statement's Parse and its Bind is for nobody: what sleeps runs once it sleeps.
bool world::wait_running(std::string_view text, int count) {
  std::string asked = how_many_run(text);
  if (count > 0) asked += " and (query not like '%pg_sleep%' or wait_event = 'PgSleep')";
  return turn_until([&] {
    drain_ready();
    return std::stoi(cluster_.sql(asked)) == count;
  });
}

int world::sessions(std::string_view state) const {
  return std::stoi(cluster_.sql("select count(*) from pg_stat_activity where coalesce(state, '') like '" +
                                std::string(state) + "' and application_name = '" + application() + "'"));
}

int world::control_sessions() const {
  return std::stoi(cluster_.sql("select count(*) from pg_stat_activity where application_name = '" + application() +
                                "' and query like '%lido: control session%'"));
}

bool world::close(std::chrono::nanoseconds patience) {
  bool closed = false;
  pool->async_close(patience, [&closed] { closed = true; });
  if (!turn_until([&] { return closed; })) return false;
  const bool empty = stats().size() == 0;
  pool.reset();
  // A parked cancel socket may live on: bounded in number and time, but not a slot.
  drain_ready();
  return empty;
}

asio::awaitable<void> ask(lido::pool& pool, std::int32_t number, std::int32_t& answer) {
  const auto got = co_await pool.async_query<std::int32_t>("select $1::int", number);
  answer = got.one();
}

asio::awaitable<void> connects(connect_config config) { co_await lido::connection::async_connect(std::move(config)); }

asio::awaitable<void> sleeps_for_ever(lido::pool& pool, pid_t& backend) {
  lido::lease db = co_await pool.async_acquire();
  backend = db->process_id();
  co_await db->async_query("select pg_sleep(30), 'victim'");
}

}  // namespace lido::testing
