// Pools over HTTP: /metrics for Prometheus, /pools for people, /pools.json for scripts, /healthz for probes.
//
//   lido::metrics::exposer exposer{lido::metrics::exposer_config::parse("127.0.0.1:9187")};
//   exposer.add(orders);                         // a lido::pool; does not keep it alive
//
// It listens on the loopback interface unless told otherwise twice, answers GET and HEAD of exactly these paths, and is
// bounded in everything: 8 KiB a request, 64 connections, 5 s for each half of an exchange, one thread of its own named
// lido-exposer. That thread is not the application's: an io_context that hangs is still seen. There is no log-in and no
// TLS: whoever reaches the port reads names of pools, numbers, and of who holds a connection the tag, the line of the
// source and the backend's pid; never a host, a user, an SQL text or a secret.
#pragma once

#include <lido/metrics/collector.hpp>

#include <prometheus/collectable.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lido {
inline namespace v0 {
namespace metrics {

struct exposer_config {
  std::string address = "127.0.0.1";  ///< numeric
  std::uint16_t port = 9187;          ///< 0: one that is free, see exposer::port()
  /// Needed for any address that is not a loopback one: everybody who can reach it can read it.
  bool allow_remote = false;
  /// Names, besides localhost and numeric addresses, by which the loopback address may be asked for. Others are
  /// refused, because a web page can make a browser ask 127.0.0.1 under a name of the page's own (DNS rebinding). Not
  /// looked at for other addresses.
  std::vector<std::string> hosts;
  /// Asked at each /healthz after the pools: a reason not to be ready, or nothing. On the exposer's thread; what it
  /// throws is answered with 500.
  std::function<std::optional<std::string>()> not_ready;

  /// "127.0.0.1:9187", "[::1]:9187", or "9187" alone, which is the loopback address. Throws lido::error
  /// (errc::invalid_config).
  static exposer_config parse(std::string_view address);
};

class exposer {
 public:
  /// Listens when it returns. Throws lido::error (errc::invalid_config) that says why it cannot.
  explicit exposer(exposer_config config = {});
  /// With a collector that is shared with others.
  exposer(exposer_config config, std::shared_ptr<collector> pools);
  /// Cuts open connections; waits for an answer that is being made, so not from within a source or a check of it.
  ~exposer();
  exposer(const exposer&) = delete;
  exposer& operator=(const exposer&) = delete;

  /// As collector::add. Any thread.
  template <class Pool>
  void add(const Pool& of) {
    pools().add(of);
  }
  /// The application's own metrics, e.g. a prometheus::Registry, in the same /metrics. Not kept alive. Any thread.
  void add(std::weak_ptr<prometheus::Collectable> others);

  [[nodiscard]] collector& pools() noexcept;
  [[nodiscard]] std::uint16_t port() const noexcept;

 private:
  class parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace metrics
}  // namespace v0
}  // namespace lido
