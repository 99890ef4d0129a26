#include "bench/storm/metrics_server.hpp"

#include <lido/metrics/collector.hpp>

#include <prometheus/exposer.h>

#include <stdexcept>

namespace lido::storm {

struct metrics_server::parts {
  explicit parts(const std::string& address) : exposer{address, 1} {}

  std::shared_ptr<metrics::collector> collector = std::make_shared<metrics::collector>();
  prometheus::Exposer exposer;
};

metrics_server::metrics_server(const std::string& address, const pool& of) {
  try {
    parts_ = std::make_unique<parts>(address);
  } catch (const std::exception& e) {
    throw std::runtime_error("cannot serve metrics on " + address + ": " + e.what());
  }
  parts_->collector->add(of);
  parts_->exposer.RegisterCollectable(parts_->collector);
  port_ = static_cast<std::uint16_t>(parts_->exposer.GetListeningPorts().front());
}

metrics_server::~metrics_server() = default;

}  // namespace lido::storm
