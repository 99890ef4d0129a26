// A pool: connections are opened when they are needed, leased, and given back by the lease's destructor. Rows come as
// plain structs, columns by name.
//   2_pool "postgresql://app@localhost/app?sslrootcert=/etc/ssl/ca.pem&pool_max_size=4"
#include <lido/pool/pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <string>

using namespace std::chrono_literals;

namespace {

struct session {  // one field for each column that the query returns
  std::int32_t pid;
  std::string name;
  std::optional<std::string> state;  // may be NULL
};

asio::awaitable<void> list_sessions(lido::pool& pool) {
  {
    lido::lease db = co_await pool.async_acquire(lido::within(2s));
    const auto sessions = co_await db->async_query<session>(
        "select pid, application_name as name, state from pg_stat_activity where datname = current_database()");
    for (const session& s : sessions) std::cout << s.pid << ' ' << s.name << ' ' << s.state.value_or("-") << '\n';
  }  // the lease returns itself

  // Acquire, run, release in one.
  const auto count = co_await pool.async_query<std::int64_t>("select count(*) from pg_class");
  std::cout << count.one() << " relations, " << pool.stats().created << " connection(s) opened\n";
  co_await pool.async_close();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    asio::io_context io;
    lido::pool pool{io.get_executor(),
                    lido::pool_config::from_dsn(argc > 1 ? argv[1] : "postgresql://localhost/postgres")};
    asio::co_spawn(io, list_sessions(pool), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
    io.run();
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
