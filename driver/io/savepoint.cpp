// Savepoints: their words, and the coroutine forms of what ends them.
#include <lido/driver/transaction.hpp>

#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {
std::string name_of(std::uint32_t number) { return "lido_savepoint_" + std::to_string(number); }
}  // namespace

std::string savepoint_text(std::uint32_t number) { return "SAVEPOINT " + name_of(number); }
std::string release_text(std::uint32_t number) { return "RELEASE SAVEPOINT " + name_of(number); }
std::string roll_back_to_text(std::uint32_t number) {
  return "ROLLBACK TO SAVEPOINT " + name_of(number) + "; " + release_text(number);
}

}  // namespace detail

namespace {

template <class Scope>
asio::awaitable<savepoint> co_savepoint(Scope& around, op_options options) {
  diagnostics diag;
  options.diag = &diag;
  std::error_code ec;
  savepoint made = co_await around.async_savepoint_with(asio::redirect_error(asio::use_awaitable, ec), options);
  if (ec) throw error(ec, std::move(diag));
  co_return made;
}

}  // namespace

asio::awaitable<savepoint> transaction::async_savepoint(op_options options) { return co_savepoint(*this, options); }
asio::awaitable<savepoint> savepoint::async_savepoint(op_options options) { return co_savepoint(*this, options); }

asio::awaitable<void> savepoint::async_release(op_options options) {
  diagnostics diag;
  options.diag = &diag;
  std::error_code ec;
  co_await async_release_with(asio::redirect_error(asio::use_awaitable, ec), options);
  if (ec) throw error(ec, std::move(diag));
}

asio::awaitable<void> savepoint::async_rollback(op_options options) {
  diagnostics diag;
  options.diag = &diag;
  std::error_code ec;
  co_await async_rollback_with(asio::redirect_error(asio::use_awaitable, ec), options);
  if (ec) throw error(ec, std::move(diag));
}

savepoint& savepoint::operator=(savepoint&& other) noexcept {
  if (this == &other) return *this;
  leave();
  handle_ = std::move(other.handle_);
  scope_ = std::move(other.scope_);
  return *this;
}

void savepoint::leave() noexcept {
  if (!scope_.is_open()) return;
  scope_.end();
  if (handle_.session) handle_.session->roll_back_to_later(handle_.tenure, scope_.number);
}

}  // namespace v0
}  // namespace lido
