#include "driver/io/context_registry.hpp"
#include "driver/io/settings.hpp"
#include "driver/session/commit_evidence.hpp"
#include "driver/sync.hpp"

#include <lido/driver/connection.hpp>
#include <lido/driver/transaction.hpp>

#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>

#include <algorithm>

namespace lido {
inline namespace v0 {
namespace detail {

recycled_ptr<raw_result> first_result(op_outcome& out) {
  return out.results.empty() ? make_recycled<raw_result>() : out.results.take_first();
}

void report(const op_outcome& out, diagnostics* diag) {
  if (diag == nullptr) return;
  if (out.diag) {
    *diag = *out.diag;
  } else {
    *diag = out.warnings ? out.warnings->front() : diagnostics{};
  }
}

std::vector<result<>> all_results(op_outcome& out, std::error_code& ec, lazy_diagnostics& why) {
  std::vector<result<>> results;
  if (ec) return results;
  auto all = out.results.take_all();
  results.reserve(all.size());
  for (auto& raw : all) {
    ec = results.emplace_back(std::move(raw)).bind(why);
    if (ec) return {};
  }
  return results;
}

bool is_as_good_as_rolled_back(std::error_code ec) noexcept { return ec == errc::lease_revoked || is_disconnect(ec); }

void throw_outcome(op_outcome& out) { throw error(out.error, out.diag ? std::move(*out.diag) : diagnostics{}); }

namespace {

// A connect without a pool: the attempt, and the user's handler until one of them is done with the other.
class lone_connect : public std::enable_shared_from_this<lone_connect> {
 public:
  explicit lone_connect(any_completion<std::error_code, connection> done, diagnostics* diag)
      : done_(std::move(done)), diag_(diag) {}

  void start(const asio::any_io_executor& executor, const std::shared_ptr<const session_settings>& settings) {
    io::context_registry::of(executor).add(weak_from_this(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->drop();
    });
    auto attempt = connect_session(executor, settings, make_deadline_queue(executor), {},
                                   [self = shared_from_this()](const connect_result& made) { self->finish(made); });
    {
      const lock guard(mutex_);
      if (done_) {
        attempt_ = std::move(attempt);
        return;
      }
    }
    attempt->cancel();  // its end came first, or whoever wanted it went away
  }
  void fail(std::error_code ec, diagnostics diag) {
    connect_result result;
    result.error = ec;
    result.diag = std::move(diag);
    finish(result);
  }
  void cancel() {
    connect_result result;
    result.error = asio::error::operation_aborted;
    if (const auto attempt = finish(result)) attempt->cancel();
  }

 private:
  std::shared_ptr<connect_attempt> finish(const connect_result& made) {
    const lock guard(mutex_);
    if (!done_) return nullptr;
    if (diag_ != nullptr && made.error) *diag_ = made.diag;
    connection db;
    if (made.session)
      db = connection(session_handle{made.session, made.session->begin_tenure()}, connection::owner_tag{});
    std::exchange(done_, {}).post(made.error, std::move(db));
    return std::exchange(attempt_, nullptr);
  }
  void drop() {
    any_completion<std::error_code, connection> done;
    std::shared_ptr<connect_attempt> attempt;
    {
      const lock guard(mutex_);
      done = std::exchange(done_, {});
      attempt = std::exchange(attempt_, nullptr);
    }
    if (attempt) attempt->cancel();
  }

  mutex mutex_;
  any_completion<std::error_code, connection> done_ LIDO_GUARDED_BY(mutex_);
  std::shared_ptr<connect_attempt> attempt_ LIDO_GUARDED_BY(mutex_);
  diagnostics* diag_;
};

}  // namespace
}  // namespace detail

connection& connection::operator=(connection&& other) noexcept {
  if (this == &other) return *this;
  connection old(std::move(*this));
  handle_ = std::exchange(other.handle_, {});
  owns_ = std::exchange(other.owns_, false);
  return *this;
}

void connection::leave() noexcept {
  if (!handle_.session) return;
  if (handle_.session->end_tenure(handle_.tenure).condition != detail::session_condition::in_use)
    handle_.session->close_now();
}

std::function<void()> connection::begin_connect(const asio::any_io_executor& executor, connect_config config,
                                                op_options options,
                                                detail::any_completion<std::error_code, connection> done) {
  auto connect = std::make_shared<detail::lone_connect>(std::move(done), options.diag);
  if (options.deadline != time_point::max()) {
    config.connect_timeout =
        std::min<std::chrono::nanoseconds>(config.connect_timeout, options.deadline - std::chrono::steady_clock::now());
  }
  std::error_code ec;
  diagnostics diag;
  const auto settings = detail::make_session_settings(std::move(config), ec, diag.context);
  if (settings) {
    connect->start(executor, settings);
  } else {
    connect->fail(ec, std::move(diag));
  }
  return [weak = std::weak_ptr<detail::lone_connect>(connect)] {
    if (const auto self = weak.lock()) self->cancel();
  };
}

namespace {

asio::awaitable<connection> co_connect(connect_config config, op_options options) {
  const auto executor = co_await asio::this_coro::executor;
  diagnostics diag;
  options.diag = &diag;
  std::error_code ec;
  connection db = co_await connection::async_connect_with(asio::redirect_error(asio::use_awaitable, ec), executor,
                                                          std::move(config), options);
  if (ec) throw error(ec, std::move(diag));
  co_return db;
}

asio::awaitable<std::vector<result<>>> co_simple(detail::session_handle on, detail::op_plan plan,
                                                 detail::request statement) {
  detail::run_in<std::vector<result<>>> query(on, plan, statement);
  co_await query.run();
  if (query.out.error) detail::throw_outcome(query.out);
  std::error_code ec;
  detail::lazy_diagnostics why;
  auto results = detail::all_results(query.out, ec, why);
  if (ec) throw error(ec, detail::said_in(why));
  co_return results;
}

}  // namespace

std::string detail::begin_text(const transaction_options& mode) {
  std::string sql = "BEGIN";
  switch (mode.isolation) {
    case isolation::server_default: break;
    case isolation::read_committed: sql += " ISOLATION LEVEL READ COMMITTED"; break;
    case isolation::repeatable_read: sql += " ISOLATION LEVEL REPEATABLE READ"; break;
    case isolation::serializable: sql += " ISOLATION LEVEL SERIALIZABLE"; break;
  }
  if (mode.read_only) sql += " READ ONLY";
  if (mode.deferrable) sql += " DEFERRABLE";
  if (mode.resolvable && !mode.read_only) sql += "; " + session::naming_statement();
  return sql;
}

asio::awaitable<connection> connection::async_connect(connect_config config, op_options options) {
  return co_connect(std::move(config), options);
}

asio::awaitable<std::vector<result<>>> connection::async_simple_query(std::string_view sql, op_options options) {
  return co_simple(handle_, {detail::op_kind::simple, false, options}, detail::begin_request(sql));
}

asio::awaitable<transaction> connection::async_begin(transaction_options mode, op_options options) {
  return transaction::co_begin(handle_, mode, options);
}

asio::awaitable<void> connection::async_close() { return async_close_with(asio::use_awaitable); }

void connection::begin_close(const detail::session_handle& handle, detail::any_completion<> done) {
  if (!handle.session) return done.post();
  handle.session->end_tenure(handle.tenure);
  handle.session->close(
      within(handle.session->close_timeout()).deadline,
      [shared = std::make_shared<detail::any_completion<>>(std::move(done))](bool) { shared->post(); });
}

std::optional<std::string> connection::server_parameter(std::string_view name) const {
  std::string value;
  if (!handle_.session || handle_.session->parameter_copy(name, value) == nullptr) return std::nullopt;
  return value;
}

// ---- transactions ----

transaction& transaction::operator=(transaction&& other) noexcept {
  if (this == &other) return *this;
  leave();
  handle_ = std::move(other.handle_);
  scope_ = std::move(other.scope_);
  id_ = other.id_;
  open_ = std::exchange(other.open_, false);
  return *this;
}

void transaction::leave() noexcept {
  if (!std::exchange(open_, false)) return;
  scope_.end();
  if (handle_.session) handle_.session->roll_back_later(handle_.tenure);
}

asio::awaitable<transaction> transaction::co_begin(detail::session_handle on, transaction_options mode,
                                                   op_options options) {
  detail::request statement(detail::begin_text(mode));
  const detail::op_plan plan{detail::op_kind::begin, false, options};
  detail::run_in<transaction> begin(on, plan, statement);
  co_await begin.run();
  if (begin.out.error) {
    detail::undo_begin(on, begin.out);
    detail::throw_outcome(begin.out);
  }
  auto id = detail::name_in(begin.out);
  co_return transaction(std::move(on), id);
}

asio::awaitable<commit_result> transaction::async_commit(op_options options) {
  const detail::scope where = end_scope();
  return co_commit(handle_, options, where.innermost());
}

asio::awaitable<void> transaction::async_rollback(op_options options) {
  open_ = false;
  scope_.end();
  return co_roll_back(handle_, options);
}

asio::awaitable<commit_result> transaction::co_commit(detail::session_handle on, op_options options, bool innermost) {
  detail::request statement("COMMIT");
  if (!innermost) statement.fail(errc::wrong_scope);
  const detail::op_plan plan{detail::op_kind::commit, false, options};
  detail::run_in<commit_result> commit(on, plan, statement);
  co_await commit.run();
  if (commit.out.error) detail::throw_outcome(commit.out);
  co_return commit_result::of(commit.out);
}

asio::awaitable<void> transaction::co_roll_back(detail::session_handle on, op_options options) {
  detail::request statement("ROLLBACK");
  const detail::op_plan plan{detail::op_kind::rollback, false, options};
  detail::run_in<void> roll_back(on, plan, statement);
  co_await roll_back.run();
  if (roll_back.out.error && !detail::is_as_good_as_rolled_back(roll_back.out.error))
    detail::throw_outcome(roll_back.out);
}

}  // namespace v0
}  // namespace lido
