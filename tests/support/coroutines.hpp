// Coroutines from where there are none. Compiled once: what co_spawn makes of each kind of coroutine and of handler
// costs a second.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>

#include <exception>
#include <functional>

namespace lido::testing {

using on_end = std::function<void(std::exception_ptr)>;

// `ended` gets what the work threw; without it that is nobody's.
void spawn(const asio::any_io_executor& on, asio::awaitable<void> work, on_end ended = {},
           asio::cancellation_slot slot = {});

// Runs `work` on a fresh io_context until nothing is left to do; rethrows what it threw.
void run(const std::function<asio::awaitable<void>(asio::io_context&)>& work);

}  // namespace lido::testing
