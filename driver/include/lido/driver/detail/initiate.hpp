// From a completion token to an operation on a session. One initiation for every operation; what differs is how the
// outcome becomes the handler's arguments.
#pragma once

#include <lido/driver/detail/await_safe.hpp>
#include <lido/driver/detail/operation.hpp>
#include <lido/driver/detail/session.hpp>
#include <lido/driver/result.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

// Not an aggregate, for the same reason.
struct session_handle {
  std::shared_ptr<managed_session> session;
  std::uint64_t tenure = 0;

  session_handle() = default;
  session_handle(std::shared_ptr<managed_session> s, std::uint64_t t) noexcept : session(std::move(s)), tenure(t) {}
  asio::any_io_executor executor() const { return session ? session->executor() : executor_of_none(); }

 private:
  // The system's. Not here: to make one of it costs every reader of this header most of a second.
  static asio::any_io_executor executor_of_none();
};

struct op_plan {
  op_kind kind = op_kind::query;
  bool prepared = true;
  op_options options;
};

// Finish: void(Handler&&, op_outcome&, diagnostics*), turns the outcome into the handler's arguments.
template <class Finish>
struct start_operation {
  [[no_unique_address]] Finish finish{};

  template <class Handler>
  [[gnu::hot]] void operator()(Handler&& handler, const session_handle& on, const op_plan& plan,
                               request&& statement) const {
    using op_type = operation_with<std::decay_t<Handler>, Finish, asio::any_io_executor>;
    asio::any_io_executor fallback;
    if constexpr (!is_coroutine<std::decay_t<Handler>>) fallback = on.executor();
    auto* const made = op_type::make(std::forward<Handler>(handler), finish, fallback, plan.options.diag);
    op_ptr op{made};
    op->kind = plan.kind;
    op->prepared = plan.prepared;
    op->statement = std::move(statement);
    op->deadline = plan.options.deadline;
    op->tenure = on.tenure;
    op->max_result_bytes = plan.options.max_result_bytes;
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

[[gnu::hot]] recycled_ptr<raw_result> first_result(op_outcome& out);
std::vector<result<>> all_results(op_outcome& out, std::error_code& ec, lazy_diagnostics& why);
void report(const op_outcome& out, diagnostics* diag);
[[noreturn]] void throw_outcome(op_outcome& out);
// A ROLLBACK on a lost session or a revoked lease has happened, or will (contract I13).
bool is_as_good_as_rolled_back(std::error_code ec) noexcept;

template <row_type Row>
struct finish_query {
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    report(out, diag);
    std::error_code ec = out.error;
    result<Row> rows;
    if (!ec) {
      rows = result<Row>(first_result(out));
      lazy_diagnostics mismatch;
      ec = rows.bind(mismatch);
      if (ec && diag != nullptr) *diag = said_in(mismatch);
    }
    std::forward<Handler>(handler)(ec, std::move(rows));
  }
};

struct finish_simple_query {
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    report(out, diag);
    std::error_code ec = out.error;
    lazy_diagnostics mismatch;
    auto results = all_results(out, ec, mismatch);
    if (mismatch && diag != nullptr) *diag = said_in(mismatch);
    std::forward<Handler>(handler)(ec, std::move(results));
  }
};

struct finish_rollback {
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    report(out, diag);
    std::forward<Handler>(handler)(is_as_good_as_rolled_back(out.error) ? std::error_code{} : out.error);
  }
};

// The handler of a coroutine of type asio::awaitable<T>: leaves the outcome in its frame and resumes it.
template <class T>
class resume_with_outcome {
 public:
  using coroutine = suspended<T>;
  using executor_type = asio::any_io_executor;
  using cancellation_slot_type = asio::cancellation_slot;

  resume_with_outcome(typename suspended<T>::thread* waiting, op_outcome& into) : waiting_(waiting), into_(&into) {}
  executor_type get_executor() const noexcept { return waiting_.get_executor(); }
  cancellation_slot_type get_cancellation_slot() const noexcept { return waiting_.get_cancellation_slot(); }
  op_outcome& outcome() const noexcept { return *into_; }
  void operator()(op_outcome& /*out*/) && { std::move(waiting_).resume(); }

 private:
  suspended<T> waiting_;
  op_outcome* into_;
};

struct finish_coroutine {
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    if (diag != nullptr) *diag = out.diag ? *out.diag : diagnostics{};
    std::forward<Handler>(handler)(out);
  }
};

// One operation of a coroutine of type asio::awaitable<T>, without a frame of its own and without exceptions:
//
//   run_in<result<row>> query(handle, plan, statement);
//   co_await query.run();
//   if (query.out.error) ...
template <class T>
class run_in {
 public:
  run_in(const session_handle& on, const op_plan& plan, request& statement) noexcept
      : on_(on), plan_(plan), statement_(statement) {}
  run_in(const run_in&) = delete;
  run_in& operator=(const run_in&) = delete;
  ~run_in() = default;

  op_outcome out;

  auto run() noexcept { return suspend<T>(*this); }
  void operator()(typename suspended<T>::thread* waiting) {
    start_operation<finish_coroutine>{}(resume_with_outcome<T>(waiting, out), on_, plan_, std::move(statement_));
  }

 private:
  const session_handle& on_;
  const op_plan& plan_;
  request& statement_;
};

template <row_type Row>
[[gnu::hot]] result<Row> rows_or_throw(op_outcome& out) {
  if (out.error) throw_outcome(out);
  result<Row> rows(first_result(out));
  lazy_diagnostics mismatch;
  if (const std::error_code ec = rows.bind(mismatch)) throw error(ec, said_in(mismatch));
  return rows;
}

template <row_type Row>
asio::awaitable<result<Row>> co_query(session_handle on, op_plan plan, request statement) {
  run_in<result<Row>> query(on, plan, statement);
  co_await query.run();
  co_return rows_or_throw<Row>(query.out);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
