// From a completion token to an operation on a session. One initiation for every operation; what differs is how the
// outcome becomes the handler's arguments.
#pragma once

#include <lido/driver/detail/operation.hpp>
#include <lido/driver/detail/session.hpp>
#include <lido/driver/result.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>
#include <asio/system_executor.hpp>
#include <asio/use_awaitable.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

// g++ 12 destroys twice any temporary aggregate with a non-trivial member inside a co_await expression; name it first,
// then pass it.
template <class T>
concept await_safe = std::is_lvalue_reference_v<T> || !std::is_aggregate_v<std::remove_cvref_t<T>> ||
                     std::is_trivially_destructible_v<std::remove_cvref_t<T>>;

// Not an aggregate, for the same reason.
struct session_handle {
  std::shared_ptr<managed_session> session;
  std::uint64_t tenure = 0;

  session_handle() = default;
  session_handle(std::shared_ptr<managed_session> s, std::uint64_t t) noexcept : session(std::move(s)), tenure(t) {}
  asio::any_io_executor executor() const {
    return session ? session->executor() : asio::any_io_executor(asio::system_executor());
  }
};

struct op_plan {
  op_kind kind = op_kind::query;
  bool prepared = true;
  op_options options;
};

template <class Finish>
struct start_operation {
  template <class Handler>
  void operator()(Handler&& handler, const session_handle& on, const op_plan& plan, request statement) const {
    using op_type = operation_with<std::decay_t<Handler>, Finish, asio::any_io_executor>;
    auto* const made = op_type::make(std::forward<Handler>(handler), Finish{}, on.executor(), plan.options.diag);
    op_ptr op{made};
    op->kind = plan.kind;
    op->prepared = plan.prepared;
    op->statement = std::move(statement);
    op->deadline = plan.options.deadline;
    op->tenure = on.tenure;
    if (!on.session) {  // moved-from or never leased
      op->outcome = op_outcome::failed(errc::lease_revoked);
      if (op->win(op_latch::completed)) op->post();
      return;
    }
    op->set_owner(on.session);
    made->connect_slot();
    on.session->start(std::move(op));
  }
};

struct finish_outcome {
  template <class Handler>
  void operator()(Handler handler, op_outcome out, diagnostics* diag) const {
    if (diag != nullptr) *diag = out.diag ? *out.diag : diagnostics{};
    std::move(handler)(std::move(out));
  }
};

recycled_ptr<raw_result> first_result(op_outcome& out);
void report(const op_outcome& out, diagnostics* diag);
[[noreturn]] void throw_outcome(op_outcome& out);

template <row_type Row>
struct finish_query {
  template <class Handler>
  void operator()(Handler handler, op_outcome out, diagnostics* diag) const {
    report(out, diag);
    std::error_code ec = out.error;
    result<Row> rows;
    if (!ec) {
      rows = result<Row>(first_result(out));
      diagnostics mismatch;
      ec = rows.bind(mismatch);
      if (ec && diag != nullptr) *diag = std::move(mismatch);
    }
    std::move(handler)(ec, std::move(rows));
  }
};

// The operation as an awaitable that does not throw for what the server says; the public coroutines throw from it.
inline asio::awaitable<op_outcome> co_run(const session_handle& on, const op_plan& plan, request& statement) {
  return asio::async_initiate<const asio::use_awaitable_t<>, void(op_outcome)>(
      start_operation<finish_outcome>{}, asio::use_awaitable, std::cref(on), std::cref(plan), std::move(statement));
}

template <row_type Row>
result<Row> rows_or_throw(op_outcome& out) {
  if (out.error) throw_outcome(out);
  result<Row> rows(first_result(out));
  diagnostics mismatch;
  if (const std::error_code ec = rows.bind(mismatch)) throw error(ec, std::move(mismatch));
  return rows;
}

template <row_type Row>
asio::awaitable<result<Row>> co_query(session_handle on, op_plan plan, request statement) {
  op_outcome out = co_await co_run(on, plan, statement);
  co_return rows_or_throw<Row>(out);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
