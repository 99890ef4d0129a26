#include "tests/support/coroutines.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>

#include <utility>

namespace lido::testing {

void spawn(const asio::any_io_executor& on, asio::awaitable<void> work, on_end ended, asio::cancellation_slot slot) {
  asio::co_spawn(on, std::move(work),
                 asio::bind_cancellation_slot(slot, [ended = std::move(ended)](std::exception_ptr thrown) {
                   if (ended) ended(std::move(thrown));
                 }));
}

void run(const std::function<asio::awaitable<void>(asio::io_context&)>& work) {
  asio::io_context io;
  std::exception_ptr failure;
  spawn(io.get_executor(), work(io), [&failure](std::exception_ptr thrown) { failure = std::move(thrown); });
  io.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace lido::testing
