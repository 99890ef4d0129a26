// A blocking socket for scripts, as a server or as a client: every wait has a bound, TLS runs over memory so that each
// byte on the wire can be shaped, and the way in which the peer went is told apart.
#pragma once

#include "tests/support/descriptor.hpp"

#include <openssl/ssl.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace lido::testing {

enum class peer_end {
  open,
  closed,     // FIN; under TLS after close_notify
  truncated,  // FIN under TLS without close_notify
  reset,
  alert,    // a fatal TLS alert, or bytes that are no TLS
  silent,   // nothing within the budget
  stopped,  // our side was told to stop
  cut,      // our own output limit was reached
};

[[nodiscard]] const char* to_string(peer_end end);

/// Thrown when a stream ends where a script needs it to go on.
struct stream_ended : std::runtime_error {
  explicit stream_ended(peer_end how) : std::runtime_error{to_string(how)}, end{how} {}
  peer_end end;
};

class blocking_stream {
 public:
  enum class role { client, server };

  static constexpr std::chrono::seconds default_budget{30};

  /// `stop` becomes readable when the owner wants the thread back; -1: never.
  explicit blocking_stream(descriptor socket, int stop = -1, std::chrono::milliseconds budget = default_budget);
  /// A client of 127.0.0.1.
  static blocking_stream connect(std::uint16_t port);

  void start_tls(SSL_CTX& context, role kind);
  /// Sends what a call on tls() has prepared: a ticket, a key update.
  void send_post_handshake();
  [[nodiscard]] SSL* tls() const noexcept { return tls_.get(); }

  void send(std::string_view bytes);          // through TLS once it is on
  void send_beneath(std::string_view bytes);  // past TLS
  /// What comes, at least a byte; empty at the end, see end().
  std::string receive_some();
  std::string receive(std::size_t size);
  /// Reads on until the peer goes; silent when it does not.
  peer_end wait_for_end();
  [[nodiscard]] peer_end end() const noexcept { return end_; }

  void send_close_notify();
  void half_close();  // FIN, reading goes on
  void close();
  void reset();
  /// Lets time pass, unless told to stop.
  void pause(std::chrono::milliseconds time) const;

  /// From now on each write of more bytes goes out in slices, with a pause between them.
  void slice_output(std::size_t bytes, std::chrono::milliseconds between = {});
  /// From now on only so many bytes go out; with the first one too many stream_ended{cut} is thrown.
  void limit_output(std::size_t bytes) { output_left_ = bytes; }
  [[nodiscard]] std::optional<std::size_t> output_left() const noexcept { return output_left_; }

  /// Is shown everything received above TLS (before TLS: on the wire).
  void on_received(std::function<void(std::string_view)> observer) { observer_ = std::move(observer); }

 private:
  struct tls_deleter {
    void operator()(SSL* tls) const { SSL_free(tls); }
  };

  std::string read_next();
  void wait(short events);
  void write_all(std::string_view bytes);
  bool read_wire(std::string& into);
  bool feed_tls();
  void flush_tls();
  bool handle_tls_error(int result);

  descriptor socket_;
  int stop_;
  std::chrono::milliseconds budget_;
  std::unique_ptr<SSL, tls_deleter> tls_;
  peer_end end_ = peer_end::open;
  std::size_t slice_ = 0;
  std::chrono::milliseconds between_{0};
  std::optional<std::size_t> output_left_;
  std::string unread_;
  std::function<void(std::string_view)> observer_ = [](std::string_view) {};
};

}  // namespace lido::testing
