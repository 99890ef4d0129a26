// One run of one of the user's hooks: on the connection's io_context, without locks, for at most so long; whatever it
// throws is contained (contract I27). When its time is over it is cancelled, and nobody waits for it any longer.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <string>

namespace lido {
inline namespace v0 {
namespace detail {

enum class hook_end {
  passed,
  vetoed,  // it said no
  failed,  // it threw
  timed_out,
};

using hook_body = std::function<asio::awaitable<bool>()>;

// `done` is called once, from the executor, with what the hook threw in words; never inside this call, and not at all
// when the io_context goes.
void run_hook(const asio::any_io_executor& executor, std::chrono::nanoseconds patience, hook_body body,
              std::function<void(hook_end, const std::string& words)> done);

}  // namespace detail
}  // namespace v0
}  // namespace lido
