// Looks at one host every so often, over a session of its own, so that it sees also when no connection of the pool is
// free: primary or standby, on which timeline, how far behind, and which addresses its name has now. What follows from
// that is the pool's. Where its role is all the same, only its name is looked up.
#pragma once

#include "pool/core/endpoints.hpp"
#include "pool/host_addresses.hpp"

#include <lido/driver/config.hpp>
#include <lido/driver/connection.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

struct watch_terms {
  core::endpoint_id host = 0;
  host_entry name;   // complete (hosts_of())
  bool asks = true;  // for its role
  std::chrono::nanoseconds interval{};
  std::chrono::nanoseconds patience{};
  std::size_t looks_until_left = 1;  // as host_addresses has it
};

// What a session of this moment is connected with; none: there is nothing to go by, a hook failed.
using config_source = std::function<void(std::function<void(std::optional<connect_config>)> done)>;

// What a host is asked: whether it is in recovery, its timeline when not, its lag in ms when it is.
std::string_view host_question() noexcept;

class host_watch : public std::enable_shared_from_this<host_watch> {
 public:
  host_watch(const asio::any_io_executor& executor, watch_terms terms, config_source config_now, host_news tell);

  void start();
  // Any thread.
  void look_now();
  void stop();

 private:
  asio::awaitable<void> run();
  asio::awaitable<void> look();
  asio::awaitable<bool> connect();
  void find_addresses();

  const asio::any_io_executor strand_;
  const watch_terms terms_;
  const config_source config_now_;
  const host_news tell_;

  // on the strand
  asio::steady_timer timer_;
  asio::cancellation_signal stop_;
  bool stopped_ = false;
  std::function<void()> forget_look_up_;
  host_addresses addresses_;
  connection session_;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
