// What became of a COMMIT without an answer, asked on another connection until somebody knows (contract I15).
#include "pool/pool_impl.hpp"

#include <lido/pool/pool.hpp>

#include <asio/error.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace lido {
inline namespace v0 {

namespace {

// A COMMIT that is still on its way needs about a round trip, one that waits for a standby longer.
constexpr std::chrono::nanoseconds first_pause = std::chrono::milliseconds(2);
constexpr std::chrono::nanoseconds longest_pause = std::chrono::milliseconds(250);

struct answer {
  commit_status status = commit_status::unknown;
  std::error_code obstacle;
};

asio::awaitable<answer> ask_once(asio::awaitable<lease> acquire, transaction_id which, diagnostics* diag) {
  answer got;
  try {
    lease db = co_await std::move(acquire);
    got.status = co_await db->async_commit_status(which);
  } catch (const error& e) {
    got.obstacle = e.code();
    if (diag != nullptr) *diag = e.diag();
  }
  co_return got;
}

}  // namespace

asio::awaitable<commit_status> pool::async_commit_status(transaction_id which, op_options options) {
  return co_commit_status(impl_, which, options);
}

asio::awaitable<commit_status> pool::co_commit_status(std::shared_ptr<detail::pool_impl> impl, transaction_id which,
                                                      op_options options) {
  if (options.deadline == time_point::max()) options.deadline = within(impl->config()->acquire_timeout).deadline;
  const acquire_options how = bounded_by(options);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  std::chrono::nanoseconds pause = first_pause;
  auto known = commit_status::unknown;
  for (;;) {
    const answer got = co_await ask_once(co_lease_nearby({impl, detail::terms_of(*impl, how)}), which, options.diag);
    if (got.obstacle == asio::error::operation_aborted) throw error(got.obstacle);
    if (!got.obstacle) {
      known = got.status;
      if (known != commit_status::in_progress) co_return known;
    } else if (!is_retryable(got.obstacle)) {
      co_return known;
    }
    const time_point next = std::chrono::steady_clock::now() + pause;
    if (next >= options.deadline) co_return known;
    pause = std::min(pause * 2, longest_pause);
    timer.expires_at(next);
    std::error_code cancelled;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    if (cancelled) throw error(cancelled);
  }
}

}  // namespace v0
}  // namespace lido
