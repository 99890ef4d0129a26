// Transactions: rolled back on every way out that is not a commit; repeated when the server says that this may help;
// and the third outcome of COMMIT told apart from failure.
//   3_transaction "postgresql://app@localhost/app?sslrootcert=/etc/ssl/ca.pem"
#include <lido/pool/pool.hpp>

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

asio::awaitable<void> transfer_once(lido::lease& db, std::int64_t amount) {
  const lido::transaction_options serializable{.isolation = lido::isolation::serializable};
  lido::transaction tx = co_await db->async_begin(serializable);
  co_await tx.async_query("update lido_accounts set balance = balance - $1 where id = 1", amount);
  co_await tx.async_query("update lido_accounts set balance = balance + $1 where id = 2", amount);
  co_await tx.async_commit();
}  // left by an exception: the connection rolls back, and nobody waits for it here

asio::awaitable<void> transfer(lido::lease& db, std::int64_t amount) {
  constexpr int most_attempts = 5;
  for (int attempt = 1;; ++attempt) {
    try {
      co_await transfer_once(db, amount);
      co_return;
    } catch (const lido::error& e) {
      // outcome_unknown is never retryable: the money may have moved.
      const bool again = e.code() == lido::condition::retryable && !lido::is_disconnect(e.code());
      if (!again || attempt == most_attempts) throw;
    }
  }
}

asio::awaitable<void> run(lido::pool& pool) {
  {
    lido::lease db = co_await pool.async_acquire();
    co_await db->async_simple_query(set_up);
    co_await transfer(db, 40);
    try {
      co_await transfer(db, 1000);
    } catch (const lido::error& e) {
      if (e.code() != lido::condition::check_violation) throw;
      std::cout << "refused by " << e.diag().constraint << '\n';
    }
    const auto left = co_await db->async_query<std::int64_t>("select balance from lido_accounts where id = 1");
    std::cout << "left: " << left.one() << '\n';
    co_await db->async_query("drop table lido_accounts");
  }
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
