// The exposer over real sockets: what it serves, to whom, and what bounds it.
#include "bench/storm/exposition.hpp"
#include "metrics/http/server.hpp"
#include "tests/metrics/promtool.hpp"
#include "tests/support/loopback.hpp"

#include <lido/driver/error.hpp>
#include <lido/metrics/exposer.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <chrono>
#include <csignal>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using lido::metrics::exposer;
using lido::metrics::exposer_config;
using lido::testing::http_get;
using lido::testing::http_response;
using namespace std::chrono_literals;
using asio::ip::tcp;

exposer_config anywhere_free() {
  exposer_config c;
  c.port = 0;
  return c;
}

http_response get(const exposer& e, const std::string& path) { return http_get("127.0.0.1", e.port(), path); }

std::string refusal(exposer_config c) {
  try {
    const exposer e{std::move(c)};
    return {};
  } catch (const lido::error& e) {
    EXPECT_EQ(e.code(), lido::errc::invalid_config);
    return e.what();
  }
}

// One connection to the server under test, without manners.
class client {
 public:
  explicit client(std::uint16_t port) : socket_{io_} { socket_.connect({asio::ip::make_address("127.0.0.1"), port}); }

  void send(const std::string& bytes) {
    std::error_code gone;
    asio::write(socket_, asio::buffer(bytes), gone);
  }
  std::string read_to_end() {
    std::string all;
    std::error_code ec;
    asio::read(socket_, asio::dynamic_buffer(all), ec);
    return all;
  }
  std::string ask(const std::string& bytes) {
    send(bytes);
    return read_to_end();
  }

 private:
  asio::io_context io_;
  tcp::socket socket_;
};

TEST(S13_exposer, listens_on_the_loopback_interface_unless_told_otherwise_twice) {
  exposer_config c = anywhere_free();
  EXPECT_EQ(c.address, "127.0.0.1");
  c.address = "0.0.0.0";
  EXPECT_NE(refusal(c).find("allow_remote"), std::string::npos);
  c.allow_remote = true;
  EXPECT_EQ(refusal(c), "");
}

TEST(S13_exposer, says_why_it_cannot_listen) {
  const exposer first{anywhere_free()};
  exposer_config c;
  c.port = first.port();
  EXPECT_NE(refusal(c).find("port " + std::to_string(first.port())), std::string::npos);
  c.address = "127.bad";
  EXPECT_NE(refusal(c), "");
}

TEST(S13_exposer, a_bare_port_is_the_loopback_address) {
  EXPECT_EQ(exposer_config::parse("9187").address, "127.0.0.1");
  EXPECT_EQ(exposer_config::parse("9187").port, 9187);
  EXPECT_EQ(exposer_config::parse("[::1]:80").address, "::1");
  EXPECT_EQ(exposer_config::parse("10.0.0.1:80").address, "10.0.0.1");
  for (const char* bad : {"", ":9187", "::1:80", "a:b", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:80x"}) {
    EXPECT_THROW(exposer_config::parse(bad), lido::error) << bad;
  }
}

TEST(I23_exposer, serves_metrics_that_promtool_accepts_and_the_applications_own) {
  const auto own = std::make_shared<prometheus::Registry>();
  prometheus::BuildCounter().Name("shop_orders_total").Help("Orders taken.").Register(*own).Add({}).Increment(3);
  exposer e{anywhere_free()};
  e.pools().add("orders", [] { return lido::pool_stats{}; });
  e.add(std::weak_ptr<prometheus::Collectable>{own});
  const http_response r = get(e, "/metrics");
  EXPECT_EQ(r.status, 200);
  EXPECT_NE(r.headers.find("text/plain; version=0.0.4"), std::string::npos);
  EXPECT_EQ(lido::testing::promtool_check_metrics(r.body), "");
  const auto parsed = lido::storm::exposition::parse(r.body);
  EXPECT_EQ(parsed.value("lido_acquires_total", {{"pool_name", "orders"}}), 0);
  EXPECT_EQ(parsed.value("shop_orders_total"), 3);
}

TEST(S13_exposer, the_page_loads_nothing_from_elsewhere_and_runs_only_its_own_script) {
  const exposer e{anywhere_free()};
  const http_response page = get(e, "/pools");
  EXPECT_EQ(page.status, 200);
  const auto nonce_of = [](const http_response& r) {
    const std::string mark = "script-src 'nonce-";
    const std::size_t at = r.headers.find(mark);
    return at == std::string::npos ? std::string{} : r.headers.substr(at + mark.size(), 32);
  };
  const std::string nonce = nonce_of(page);
  ASSERT_EQ(nonce.size(), 32U);
  EXPECT_NE(page.headers.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.headers.find("unsafe"), std::string::npos);
  EXPECT_NE(page.body.find("<script nonce=\"" + nonce + "\">"), std::string::npos);
  EXPECT_EQ(page.body.find("@NONCE@"), std::string::npos);
  EXPECT_EQ(page.body.find("innerHTML"), std::string::npos);
  EXPECT_EQ(page.body.find(" style=\""), std::string::npos);
  EXPECT_NE(nonce, nonce_of(get(e, "/pools")));
  std::size_t foreign = 0;
  for (std::size_t at = page.body.find("http"); at != std::string::npos; at = page.body.find("http", at + 1)) {
    if (page.body.substr(at, 18) != "http://www.w3.org/") ++foreign;  // namespaces, never loaded
  }
  EXPECT_EQ(foreign, 0U);
}

TEST(S13_exposer, serves_exactly_its_paths) {
  const exposer e{anywhere_free()};
  EXPECT_EQ(get(e, "/").status, 302);
  for (const char* path : {"/metrics/", "/../etc/passwd", "/pools/../../etc/passwd", "/%2e%2e/etc/passwd",
                           "/favicon.ico", "//metrics", "/METRICS"}) {
    EXPECT_EQ(get(e, path).status, 404) << path;
  }
  EXPECT_TRUE(client{e.port()}.ask("DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").starts_with("HTTP/1.1 405"));
  const std::string head = client{e.port()}.ask("HEAD /pools HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST(S13_exposer, answers_no_name_that_a_web_page_could_point_at_it) {
  exposer_config c = anywhere_free();
  c.hosts = {"metrics.internal"};
  const exposer e{c};
  const auto ask_as = [&e](const std::string& host) {
    return client{e.port()}.ask("GET /pools.json HTTP/1.1\r\nHost: " + host + "\r\n\r\n").substr(9, 3);
  };
  EXPECT_EQ(ask_as("rebound.evil.example"), "421");
  EXPECT_EQ(ask_as("localhost:9187"), "200");
  EXPECT_EQ(ask_as("metrics.internal"), "200");
}

TEST(I23_exposer, healthz_says_whether_and_why_not) {
  exposer_config c = anywhere_free();
  std::optional<std::string> reason;
  c.not_ready = [&reason] { return reason; };
  exposer e{c};
  EXPECT_EQ(get(e, "/healthz").status, 503);
  lido::pool_stats s;
  s.idle = 1;
  e.pools().add("orders", [&s] { return s; });
  EXPECT_EQ(get(e, "/healthz").status, 200);
  EXPECT_EQ(get(e, "/healthz").body, "ready\n");
  reason = "still warming up";
  EXPECT_EQ(get(e, "/healthz").status, 503);
  EXPECT_EQ(get(e, "/healthz").body, "still warming up\n");
  reason.reset();
  s.idle = 0;
  s.connect_failures = 4;
  EXPECT_EQ(get(e, "/healthz").body, "pool orders: no connection, and 4 connects failed since one last succeeded\n");
}

TEST(I23_exposer, healthz_and_the_table_of_holders_come_from_the_pool_itself) {
  exposer e{anywhere_free()};
  lido::pool_readiness said{true, "1 idle", lido::readiness_state::ready};
  lido::lease_holder h;
  h.tag = "checkout";
  e.pools().add("orders", lido::pool_sources{.stats = [] { return lido::pool_stats{}; },
                                             .holders = [&] { return std::vector{h}; },
                                             .readiness = [&] { return said; }});
  EXPECT_EQ(get(e, "/healthz").status, 200);
  EXPECT_NE(get(e, "/pools.json").body.find("\"tag\":\"checkout\""), std::string::npos);
  said = {false, "the pool is paused", lido::readiness_state::paused};
  EXPECT_EQ(get(e, "/healthz").status, 503);
  EXPECT_EQ(get(e, "/healthz").body, "pool orders is paused\n");
}

TEST(I27_exposer, holders_that_cannot_be_read_leave_the_rest_as_it_is) {
  exposer e{anywhere_free()};
  e.pools().add("orders",
                lido::pool_sources{.stats = [] { return lido::pool_stats{}; },
                                   .holders = []() -> std::optional<std::vector<lido::lease_holder>> { throw 7; },
                                   .readiness = nullptr});
  EXPECT_EQ(get(e, "/pools.json").status, 200);
  const auto parsed = lido::storm::exposition::parse(get(e, "/metrics").body);
  EXPECT_EQ(parsed.value("lido_scrape_errors_total"), 1);
}

TEST(I27_exposer, a_check_that_throws_is_a_500_and_nothing_else) {
  exposer_config c = anywhere_free();
  c.not_ready = []() -> std::optional<std::string> { throw std::runtime_error("secret words"); };
  exposer e{c};
  e.pools().add("orders", [] { return lido::pool_stats{}; });
  EXPECT_EQ(get(e, "/healthz").status, 500);
  EXPECT_EQ(get(e, "/healthz").body.find("secret"), std::string::npos);
  EXPECT_EQ(get(e, "/metrics").status, 200);
}

// A server with short deadlines and few connections, answering one word.
class S13_http_server : public testing::Test {
 protected:
  static lido::metrics::http::server_settings tight() {
    lido::metrics::http::server_settings s;
    s.max_connections = 2;
    s.deadline = 100ms;
    return s;
  }
  lido::metrics::http::server server_{tight(), [](const lido::metrics::http::request&) {
                                        lido::metrics::http::answer a;
                                        a.body = "word";
                                        return a;
                                      }};
};

TEST_F(S13_http_server, a_client_that_says_nothing_or_little_is_cut_at_the_deadline) {
  client silent{server_.port()};
  client slow{server_.port()};
  slow.send("GET / HT");
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_EQ(slow.read_to_end(), "");
}

TEST_F(S13_http_server, the_cap_makes_later_clients_wait_and_not_fail) {
  client silent{server_.port()};
  client slow{server_.port()};
  EXPECT_TRUE(client{server_.port()}.ask("GET / HTTP/1.0\r\n\r\n").ends_with("word"));  // when the two have been cut
}

TEST_F(S13_http_server, a_head_without_an_end_is_refused_and_the_refusal_arrives) {
  const std::string answer = client{server_.port()}.ask("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x'));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 431")) << answer.substr(0, 40);
}

TEST_F(S13_http_server, ends_while_clients_hang_on_it) {
  auto short_lived = std::make_unique<lido::metrics::http::server>(
      tight(), [](const lido::metrics::http::request&) { return lido::metrics::http::answer{}; });
  client hanging{short_lived->port()};
  hanging.send("GET /");
  short_lived.reset();
  EXPECT_EQ(hanging.read_to_end(), "");
}

TEST(I28_exposer, changes_no_signal_handler_and_survives_a_reader_that_leaves) {
  struct sigaction before{};
  ::sigaction(SIGPIPE, nullptr, &before);
  exposer e{anywhere_free()};
  for (int i = 0; i < 20; ++i) client{e.port()}.send("GET /pools HTTP/1.1\r\nHost: localhost\r\n\r\n");  // and gone
  EXPECT_EQ(get(e, "/metrics").status, 200);
  struct sigaction after{};
  ::sigaction(SIGPIPE, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
  EXPECT_EQ(before.sa_handler, SIG_DFL);
}

TEST(I24_exposer, many_readers_at_once) {
  exposer e{anywhere_free()};
  e.pools().add("orders", [] { return lido::pool_stats{}; });
  std::vector<std::future<bool>> readers;
  for (int i = 0; i < 8; ++i) {
    readers.push_back(std::async(std::launch::async, [&e, i] {
      for (int k = 0; k < 20; ++k) {
        if (get(e, i % 2 == 0 ? "/metrics" : "/pools.json").status != 200) return false;
      }
      return true;
    }));
  }
  for (auto& r : readers) EXPECT_TRUE(r.get());
}

}  // namespace
