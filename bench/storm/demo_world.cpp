#include "bench/storm/demo_world.hpp"

#include "bench/storm/pool_rest.hpp"
#include "tests/support/loopback.hpp"

#include <string>

namespace lido::storm {
namespace {

using namespace std::chrono_literals;

// Second attempts and reconnects come sooner than by default: a phase lasts less than a second.
pool_config configure(const testing::postgres_cluster& server, std::uint16_t port) {
  pool_config c;
  c.name = "demo";
  c.connect.host = server.host();
  c.connect.port = port;
  c.connect.user = server.user();
  c.connect.database = server.database();
  c.connect.password = secret{server.password()};
  c.connect.sslmode = sslmode::verify_full;
  c.connect.sslrootcert = server.ca_file();
  c.connect.require_auth = {auth_method::scram_sha_256};
  c.connect.connect_timeout = 2s;
  c.connect.close_timeout = 500ms;
  c.max_size = demo_world::connections;
  c.min_size = demo_world::connections;
  c.connect_concurrency = 8;
  c.connect_backoff_min = 20ms;
  c.connect_backoff_max = 300ms;
  c.cancel.channel = cancel_channel_choice::request;  // it is what the proxy breaks
  c.cancel.timeout = demo_world::patient_cancel;
  c.cancel.retry_after = 100ms;
  return c;
}

}  // namespace

demo_world::demo_world(const std::string& metrics_address)
    : proxy_{server_},
      config_{configure(server_, proxy_.port())},
      pool_{runtime_.io().get_executor(), config_},
      metrics_{metrics_address, pool_} {
  // Faults that strike before a connection has said what it is need to know: beyond a full pool it can only be a
  // cancel.
  proxy_.expect_main_connections(connections);
}

void demo_world::wait_for_cancels(std::chrono::nanoseconds at_most) {
  config_.cancel.timeout = at_most;
  pool_.reconfigure(config_);
}

exposition demo_world::scrape_metrics() const {
  return exposition::parse(testing::http_get("127.0.0.1", metrics_.port(), "/metrics").body);
}

bool demo_world::full() const { return pool_.stats().idle == connections; }

std::uint64_t demo_world::count(const std::string& condition) const {
  return std::stoull(
      server_.sql("select count(*) from pg_stat_activity where usename = '" + server_.user() + "'" + condition));
}

std::uint64_t demo_world::backends() const { return count(""); }

std::uint64_t demo_world::backends_running(const std::string& pattern) const {
  return count(" and state = 'active' and query like '%" + pattern + "%'");
}

std::uint64_t demo_world::shut_down() {
  const std::uint64_t left = slots_left_by_close(pool_, longest_recovery(config_));
  runtime_.stop();
  return left;
}

}  // namespace lido::storm
