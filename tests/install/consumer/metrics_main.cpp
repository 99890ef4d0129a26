// The smallest program that exposes a pool to Prometheus.
#include <lido/metrics/collector.hpp>
#include <lido/pool/pool.hpp>

#include <asio/io_context.hpp>

#include <iostream>

int main() {
  asio::io_context io;
  const lido::pool pool{io.get_executor(),
                        lido::pool_config::from_dsn("postgresql://nobody@127.0.0.1:1/none?sslmode=disable")};
  lido::metrics::collector collector;
  collector.add(pool);
  const auto families = collector.Collect();
  std::cout << families.size() << " metric families\n";
  return families.empty() ? 1 : 0;
}
