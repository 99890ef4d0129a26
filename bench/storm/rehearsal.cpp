#include "bench/storm/rehearsal.hpp"

#include "bench/storm/pool_rest.hpp"
#include "bench/storm/verdict.hpp"

#include <lido/driver/error.hpp>
#include <lido/driver/options.hpp>
#include <lido/pool/lease.hpp>
#include <lido/pool/pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/use_future.hpp>

#include <chrono>

namespace lido::storm {
namespace {

using namespace std::chrono_literals;

constexpr auto patience_to_connect = 10s;
constexpr auto patience_with_statement = 3s;
constexpr std::int64_t trial_nonce = 0x5707'3a11'e5c0'ffee;

[[noreturn]] void refuse(const char* option, const std::string& why) {
  throw bad_statement(std::string{option} + " cannot be judged: " + why);
}

void check_answer(const char* option, const result<>& rows) {
  if (rows.size() != 1 || rows.columns().size() != 1) {
    refuse(option, "with $1 it has to answer one row of one column, and answered " + std::to_string(rows.size()) +
                       " rows of " + std::to_string(rows.columns().size()));
  }
  bool own = false;
  try {
    own = is_own(rows, trial_nonce);
  } catch (const error& e) {
    refuse(option, std::string{"what it answers to $1 is no bigint (is $1 inside of quotes?): "} + e.what());
  }
  if (!own) refuse(option, "with $1 it has to answer that same number, and answered another");
}

// An error that each run would have, whatever the server's state: then the storm would only count it.
bool is_for_ever(const std::error_code& ec) {
  if (ec.category() == sqlstate_category()) {
    const std::string state = sqlstate_of(ec);
    return state.starts_with("42") || state == "08P01";  // does not parse, no such table, wrong number of parameters
  }
  return judge({ec, false, strike::none, stage::statement}) == verdict::unexpected;
}

asio::awaitable<void> run_once(pool& on, const char* option, const std::string& sql) {
  lease db = co_await on.async_acquire(within(patience_to_connect));
  const op_options options = within(patience_with_statement);
  const bool with_nonce = wants_nonce(sql);
  try {
    if (with_nonce) {
      const result<> rows = co_await db->async_query(options, sql, trial_nonce);
      check_answer(option, rows);
    } else {
      (void)co_await db->async_query(options, sql);
    }
  } catch (const error& e) {
    if (!is_for_ever(e.code())) co_return;
    refuse(option, e.what());
  }
}

}  // namespace

bool wants_nonce(const std::string& sql) { return sql.find("$1") != std::string::npos; }

bool is_own(const result<>& rows, std::optional<std::int64_t> nonce) {
  if (!nonce) return true;
  return rows.size() == 1 && rows.columns().size() == 1 && rows[0].get<std::int64_t>(0) == *nonce;
}

void rehearse(const asio::any_io_executor& executor, pool_config config, const load_settings& load) {
  config.min_size = 0;
  config.min_idle = 0;
  const std::chrono::nanoseconds rest = longest_recovery(config);
  pool on{executor, std::move(config)};
  const auto run = [&on](const char* option, const std::string& sql) {
    asio::co_spawn(on.get_executor(), run_once(on, option, sql), asio::use_future).get();
  };
  if (load.cancel_ratio < 1) run("--bystander-sql", load.bystander_sql);
  if (load.cancel_ratio > 0) run("--sql", load.sql);
  (void)slots_left_by_close(on, rest);
}

}  // namespace lido::storm
