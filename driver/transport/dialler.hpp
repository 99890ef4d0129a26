// Opens a stream: resolve, TCP or Unix connect, SSLRequest, TLS. All addresses of a name race, each with a short start
// over the next one and the families in turn (RFC 8305); the first to connect is taken. One attempt at one kind of
// negotiation; falling back between sslmodes is the caller's. A Unix socket is plain whatever is asked, as with libpq:
// PostgreSQL has no TLS there, and the kernel says who may open the path. Deadlines are the caller's: cancel() ends it
// at any step and never waits for a look-up (contract I5, I20).
#pragma once

#include "driver/transport/look_up.hpp"
#include "driver/transport/stream.hpp"
#include "driver/transport/tls_context.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/generic/stream_protocol.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

namespace lido::transport {

enum class negotiation {
  plain,           // no SSLRequest
  tls,             // SSLRequest; 'N' is errc::tls_refused
  tls_direct,      // TLS at once, PostgreSQL agreed on by ALPN (17 and later)
  tls_if_offered,  // SSLRequest; 'N' goes on in plain text on the same socket (sslmode=prefer)
};

// What the kernel is told of a TCP connection; 0: its own default.
struct tcp_settings {
  bool keepalives = true;
  int keepalive_idle_s = 60;
  int keepalive_interval_s = 10;
  int keepalive_probes = 3;
  int unacknowledged_ms = 30'000;
};

// Who is at the other end, as found: what a cancel connection must repeat (I6).
struct peer {
  asio::generic::stream_protocol::endpoint endpoint;  // of the main socket, no second look-up
  std::string host;                                   // for SNI and verification
  bool unix_socket = false;
  bool secure = false;
  std::shared_ptr<const tls_context> tls;
  bool direct = false;  // TLS without an SSLRequest
  tcp_settings tcp{};
};

enum class dial_phase { resolve, connect, tls, done };

struct dial_result {
  std::error_code error;
  dial_phase phase = dial_phase::resolve;  // where it ended
  std::string context;  // for a person: each address and what it answered; never bytes of the server's before TLS (C2)
  transport::stream stream;
  transport::peer peer;
};

struct dial_target {
  std::string host;  // name, address, or folder of a Unix socket
  std::uint16_t port = 0;
  transport::negotiation negotiation = negotiation::tls;
  std::shared_ptr<const tls_context> tls;  // null for plain
  std::optional<transport::peer>
      same_peer;  // set: go to exactly this endpoint in exactly this way (cancel connections)
  look_up_function resolve = &system_look_up;  // blocks, on a helper thread
  tcp_settings tcp{};
  std::string hostaddr{};  // not empty: connect there, without a look-up; `host` is whose name is verified
};

class dialler : public std::enable_shared_from_this<dialler> {
 public:
  using handler = std::function<void(dial_result)>;

  // `done` is called once, on `executor`, never from inside start(), and not at all after cancel() has returned.
  static std::shared_ptr<dialler> start(asio::any_io_executor executor, dial_target target, handler done);
  virtual ~dialler() = default;
  // Any thread; idempotent; closes the socket. Waits for a `done` that runs on another thread just now: hold no lock
  // that `done` takes.
  virtual void cancel() noexcept = 0;
  virtual dial_phase phase() const noexcept = 0;
};

}  // namespace lido::transport
