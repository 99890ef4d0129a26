// Transactions: rolled back on every way out that is not a commit; tried again when that may help; and a COMMIT without
// an answer is asked about.
//   3_transaction "postgresql://app@localhost/app?sslrootcert=/etc/ssl/ca.pem"
#include <lido/pool/pool.hpp>
#include <lido/pool/retrying.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <cstdint>
#include <exception>
#include <iostream>
#include <string_view>

namespace {

constexpr std::string_view set_up = R"(
  create table if not exists lido_accounts (id int primary key, balance bigint not null check (balance >= 0));
  insert into lido_accounts values (1, 100), (2, 0) on conflict (id) do update set balance = excluded.balance)";

// Tried again, as a whole and on a new lease, after a serialization failure, a deadlock or a lost connection. A COMMIT
// whose answer was lost is asked about (resolvable): the money moves once.
asio::awaitable<void> transfer(lido::pool& pool, std::int64_t amount) {
  lido::retry_options options;
  options.mode = {.isolation = lido::isolation::serializable, .resolvable = true};
  co_await lido::retrying(pool, options, [&](lido::transaction& tx) -> asio::awaitable<void> {
    co_await tx.async_query("update lido_accounts set balance = balance - $1 where id = 1", amount);
    co_await tx.async_query("update lido_accounts set balance = balance + $1 where id = 2", amount);
  });
}

asio::awaitable<void> run(lido::pool& pool) {
  {
    lido::lease db = co_await pool.async_acquire();
    co_await db->async_simple_query(set_up);
    lido::transaction left_open = co_await db->async_begin();
    co_await left_open.async_query("update lido_accounts set balance = 0");
  }  // left without a commit: rolled back, and nobody waits for it here
  co_await transfer(pool, 40);
  try {
    co_await transfer(pool, 1000);
  } catch (const lido::error& e) {
    if (e.code() != lido::condition::check_violation) throw;
    std::cout << "refused by " << e.diag().constraint << '\n';
  }
  const auto left = co_await pool.async_query<std::int64_t>("select balance from lido_accounts where id = 1");
  std::cout << "left: " << left.one() << '\n';
  co_await pool.async_query("drop table lido_accounts");
  co_await pool.async_close();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    asio::io_context io;
    lido::pool pool{io.get_executor(),
                    lido::pool_config::from_dsn(argc > 1 ? argv[1] : "postgresql://localhost/postgres")};
    asio::co_spawn(io, run(pool), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
    io.run();
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
