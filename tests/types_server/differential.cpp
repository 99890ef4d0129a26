#include "tests/types_server/differential.hpp"

#include <asio/co_spawn.hpp>

#include <exception>
#include <utility>

namespace lido::testing {

result<> differential::ask(lido::detail::request statement) {
  if (!session_.handle().session) {
    asio::co_spawn(io_, open(), [this](const std::exception_ptr& failed, connection db) {
      if (failed) std::rethrow_exception(failed);
      session_ = std::move(db);
    });
    while (!session_.handle().session) io_.run_one();
  }
  result<> out;
  const lido::detail::op_plan plan{lido::detail::op_kind::query, true, {}};
  auto query = lido::detail::co_named_query<row>(session_.handle(), plan, std::move(statement));
  bool answered = false;
  asio::co_spawn(io_, std::move(query), [&](const std::exception_ptr& failed, result<> rows) {
    if (failed) std::rethrow_exception(failed);
    out = std::move(rows);
    answered = true;
  });
  while (!answered) io_.run_one();
  return out;
}

}  // namespace lido::testing
