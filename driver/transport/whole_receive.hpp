// A receive that takes all there is. Asio asks the socket once more behind every receive, which nearly always finds
// nothing: a fifth of the system calls of a small query. A receive with room left over has emptied the socket, and
// epoll tells what comes later (edge-triggered): Asio need not ask. What epoll does not tell again is an end that had
// come with the bytes; who uses this looks for it: io/engine_reading.cpp.
#pragma once

#include <asio/basic_stream_socket.hpp>
#include <asio/buffer.hpp>
#include <asio/version.hpp>

namespace lido::transport {

struct whole_receive {
  asio::mutable_buffer room;

  using value_type = asio::mutable_buffer;
  using const_iterator = const asio::mutable_buffer*;
  const_iterator begin() const noexcept { return &room; }
  const_iterator end() const noexcept { return &room + 1; }
};

}  // namespace lido::transport

#if ASIO_VERSION == 102201 && defined(ASIO_HAS_EPOLL)
namespace asio::detail {

// As Asio's own, but for the last line of do_perform().
template <>
class reactive_socket_recv_op_base<lido::transport::whole_receive> : public reactor_op {
 public:
  reactive_socket_recv_op_base(const asio::error_code& success_ec, socket_type socket, socket_ops::state_type /*state*/,
                               const lido::transport::whole_receive& buffers, socket_base::message_flags flags,
                               func_type complete_func)
      : reactor_op(success_ec, &do_perform, complete_func), socket_(socket), room_(buffers.room), flags_(flags) {}

  static status do_perform(reactor_op* base) {
    auto* const o = static_cast<reactive_socket_recv_op_base*>(base);
    if (!socket_ops::non_blocking_recv1(o->socket_, o->room_.data(), o->room_.size(), o->flags_, true, o->ec_,
                                        o->bytes_transferred_)) {
      return not_done;
    }
    return o->bytes_transferred_ < o->room_.size() ? done_and_exhausted : done;
  }

 private:
  socket_type socket_;
  asio::mutable_buffer room_;
  socket_base::message_flags flags_;
};

}  // namespace asio::detail
#endif
