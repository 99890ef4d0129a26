// A proxy that breaks connections on purpose, one way for the main connections and another for the cancel
// connections and for the control session. On TCP, or on Unix sockets, where a control session has reason to trust what
// it sees through it. It has its own thread; every setter may be called from any thread at any time.
#pragma once

#include "tests/support/certificates.hpp"
#include "tests/support/eventually.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace lido::testing {

class postgres_cluster;

/// What happens to a cancel connection. Those marked (early) strike before its first packet: they need one of the two
/// rules that tell a cancel connection by something else than its content; known by content only, they strike at the
/// packet.
enum class cancel_fault {
  none,
  refuse,                       // (early) the port is closed while the next connection would be a cancel
  reset,                        // (early) RST after accept
  close_on_ssl_request,         // (early) FIN instead of an answer to SSLRequest
  close_after_s,                // (early) FIN after the `S`
  garbage_answer,               // (early) a byte that no server sends
  error_response_instead_of_s,  // (early)
  silent_before_s,              // (early)
  silent_after_s,               // (early)
  wrong_certificate,            // (early) signed by an authority that nobody trusts
  swallow,                      // reads the CancelRequest, never forwards it, EOF
  black_hole,                   // reads the CancelRequest, never forwards it, no EOF
  delay,                        // holds the CancelRequest for a time, then forwards
  hold,                         // the same until release_held()
  duplicate,                    // forwards it twice, EOF after both
  never_answer,                 // forwards it, no EOF
  reset_after_write,            // forwards it, RST in place of EOF
  truncate_tls,                 // forwards it, FIN without close_notify
};

/// What happens to a statement of the control session, which is known by its text, or to its answer.
enum class control_fault {
  none,
  swallow,         // the statement goes nowhere, FIN
  swallow_silent,  // the statement goes nowhere, no end
  lose_answer,     // it is executed; FIN in place of the answer
  lose_silent,     // it is executed; no answer, no end
  cut_answer,      // half an answer, FIN
  garbage_answer,
  hold,  // the answer waits for release_held()
};

enum class direction { to_server, to_client };
enum class connection_end { reset, close, stall };

struct traffic_shape {
  std::chrono::milliseconds latency_to_server{0};
  std::chrono::milliseconds latency_to_client{0};
  std::size_t slice = 0;  // at most so many bytes a write; 0: as they come
};

struct proxy_settings {
  std::string host = "127.0.0.1";  // the server's
  std::uint16_t port = 0;
  std::string socket_dir;  // of the server's Unix socket: then the proxy is one, too
  /// With it the proxy ends TLS itself and sees what is inside; without it TLS passes through unseen.
  std::optional<identity> terminate_tls;
  std::optional<identity> wrong_identity;  // for cancel_fault::wrong_certificate
  bool encrypt_to_server = true;           // after terminating: TLS again towards the server
};

struct proxy_counters {
  std::uint64_t accepted = 0;
  std::uint64_t main_seen = 0;
  std::uint64_t cancels_seen = 0;
  std::uint64_t cancels_forwarded = 0;  // the server's EOF was seen
  std::size_t active_main = 0;          // includes those that have not told yet what they are
  std::size_t active_cancel = 0;
  std::size_t held = 0;
};

class fault_proxy {
 public:
  explicit fault_proxy(proxy_settings settings);
  /// In front of a cluster, terminating TLS with its certificate.
  explicit fault_proxy(const postgres_cluster& cluster);
  fault_proxy(const fault_proxy&) = delete;
  fault_proxy& operator=(const fault_proxy&) = delete;
  ~fault_proxy();

  [[nodiscard]] std::string host() const;  // 127.0.0.1, or the folder of its Unix socket
  [[nodiscard]] std::uint16_t port() const noexcept;

  // Which connection is a cancel connection. By content (the code 80877102) always, where the proxy can see it;
  // beforehand by one of these:
  void treat_new_connections_as_cancel(bool on);
  /// As long as so many main connections live, the next one can only be a cancel: for a full pool.
  void expect_main_connections(std::optional<std::size_t> count);

  void set_cancel_fault(cancel_fault fault, std::chrono::milliseconds delay = {});
  void release_held();
  void set_control_fault(control_fault fault);
  void close_control();  // FIN to both, between two statements

  void shape_main(const traffic_shape& shape);
  void stall_main(bool on);  // on: no byte moves in either direction
  /// Ends each main connection after so many bytes in that direction, counted from now or from its start, whichever is
  /// later.
  void cut_main_after(direction way, std::uint64_t bytes, connection_end end);
  void no_cut();
  void kill_main();   // RST to the client and to the server
  void close_main();  // FIN to both
  void kill_all();    // the cancel connections too
  void stop_listening();
  void listen_again();

  [[nodiscard]] proxy_counters counters() const;
  /// Of its connections, on both sides: descriptors of this process that are not the client's.
  [[nodiscard]] std::size_t open_sockets() const;
  /// Waits until the counters satisfy the condition.
  [[nodiscard]] bool wait_until(const std::function<bool(const proxy_counters&)>& condition,
                                std::chrono::milliseconds budget = hang_guard) const;

 private:
  class engine;
  std::unique_ptr<engine> engine_;
};

}  // namespace lido::testing
