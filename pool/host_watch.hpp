// Looks at one host every so often, over a session of its own, so that it sees also when no connection of the pool is
// free: primary or standby, on which timeline, how far behind, and which addresses its name has now. What follows from
// that is the pool's.
#pragma once

#include "pool/core/endpoints.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/connection.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

// Called on the watch's executor, without locks.
struct host_news {
  std::function<void(core::endpoint_id, const core::sighting&)> seen;
  std::function<void(core::endpoint_id)> unreachable;
  std::function<void(core::endpoint_id, const std::vector<std::string>&)> addresses;  // that its name has now
};

class host_watch : public std::enable_shared_from_this<host_watch> {
 public:
  // `config` is that of the one host.
  host_watch(const asio::any_io_executor& executor, core::endpoint_id host, connect_config config,
             std::chrono::nanoseconds interval, std::chrono::nanoseconds patience, host_news tell);

  void start();
  // Any thread.
  void look_now();
  void stop();

 private:
  asio::awaitable<void> run();
  asio::awaitable<void> look();
  void find_addresses();

  const asio::any_io_executor strand_;
  const core::endpoint_id host_;
  const connect_config config_;
  const std::chrono::nanoseconds interval_;
  const std::chrono::nanoseconds patience_;
  const host_news tell_;

  // on the strand
  asio::steady_timer timer_;
  asio::cancellation_signal stop_;
  bool stopped_ = false;
  std::function<void()> forget_look_up_;
  connection session_;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
