#include "bench/storm/metrics_server.hpp"

namespace lido::storm {

metrics_server::metrics_server(const std::string& address, const pool& of)
    : exposer_{metrics::exposer_config::parse(address)} {
  exposer_.add(of);
}

}  // namespace lido::storm
