// A name's addresses, found on a helper thread. getaddrinfo cannot be stopped: cancelling forgets it, and an answer
// that comes after that, or after the io_context's end, touches nothing.
#pragma once

#include "driver/transport/address.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lido::transport {

struct looked_up {
  std::vector<endpoint> addresses;  // in the system's order, at most 32
  std::string failure;              // for a person, when there is none
};

// Blocks; runs on a helper thread.
using look_up_function = std::function<looked_up(const std::string& host, std::uint16_t port)>;
looked_up system_look_up(const std::string& host, std::uint16_t port);

class look_up : public std::enable_shared_from_this<look_up> {
 public:
  using handler = std::function<void(looked_up)>;

  explicit look_up(asio::any_io_executor executor);
  // Once. Calls `done` once, on the executor, unless cancelled or destroyed with it. Keeps itself alive and the
  // io_context busy meanwhile.
  void start(look_up_function how, std::string host, std::uint16_t port, handler done);
  void cancel() noexcept;  // any thread; `done` may still be on its way: its owner has to know that it is over

 private:
  struct mailbox;
  struct waiting;

  looked_up take() noexcept;

  asio::steady_timer wake_;  // never expires: the answer cancels it
  std::shared_ptr<mailbox> mailbox_;
};

}  // namespace lido::transport
