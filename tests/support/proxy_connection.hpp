// One connection through fault_proxy, from accept to its end: finds out what it is, then relays it or breaks it.
#pragma once

#include "tests/support/proxy_state.hpp"
#include "tests/support/proxy_stream.hpp"

#include <asio/awaitable.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace lido::testing {

class proxy_connection : public std::enable_shared_from_this<proxy_connection> {
 public:
  enum class role { unknown, main, cancel };

  proxy_connection(proxy_state& state, proxy_stream::socket client);
  proxy_connection(const proxy_connection&) = delete;
  proxy_connection& operator=(const proxy_connection&) = delete;
  ~proxy_connection();

  static asio::awaitable<void> run(std::shared_ptr<proxy_connection> self);

  [[nodiscard]] role kind() const noexcept { return role_; }
  [[nodiscard]] bool is_control() const noexcept { return control_; }
  [[nodiscard]] std::size_t open_sockets() const noexcept {
    return std::size_t{client_.is_open()} + std::size_t{server_.is_open()};
  }
  void end(connection_end how);

 private:
  enum class opening { gone, packet, opaque };

  void become(role kind);
  asio::awaitable<opening> read_opening();
  asio::awaitable<opening> answer_ssl_request();
  asio::awaitable<bool> read_rest_of_packet();

  asio::awaitable<void> serve_cancel();
  asio::awaitable<void> misbehave();
  asio::awaitable<bool> forward_cancel();
  asio::awaitable<void> wait_for_release();
  asio::awaitable<void> wait_for(std::chrono::milliseconds time);

  asio::awaitable<bool> connect_server(bool encrypted);
  asio::awaitable<void> relay();
  static asio::awaitable<void> answer(std::shared_ptr<proxy_connection> self);
  asio::awaitable<void> pump(direction way);
  asio::awaitable<bool> forward(direction way, std::string_view bytes);
  asio::awaitable<void> wait_while_stalled();
  asio::awaitable<bool> break_control(direction way, std::string_view bytes);
  [[nodiscard]] std::uint64_t bytes_before_cut(direction way, const proxy_plan& plan);
  asio::awaitable<void> ended(direction way, std::error_code error);

  proxy_state& state_;
  proxy_stream client_;
  proxy_stream server_;
  role role_ = role::unknown;
  bool control_ = false;                     // a main connection that has run the control session's statement
  cancel_fault fault_ = cancel_fault::none;  // the one in force when the connection came
  std::chrono::milliseconds delay_{0};
  std::uint64_t releases_ = 0;
  std::string packet_;  // the first packet, or what was read of an opaque stream
  std::array<std::uint64_t, 2> forwarded_{};
  std::uint64_t cut_number_ = 0;
};

}  // namespace lido::testing
