// B14: a wildcard stands for one label. Names that resolve nowhere need a look-up of the test's own, so this one drives
// the dialler.
#include "driver/transport/dialler.hpp"
#include "tests/hostile/hostile_server.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <gtest/gtest.h>

namespace lido::testing {
namespace {

/// How a dial to this host ends, whose address is that of a server with a certificate for *.x.example.
std::error_code dial(const std::string& host, const script& behaviour) {
  fake_server_settings settings;
  settings.certificate.common_name = "*.x.example";
  settings.certificate.dns_names = {"*.x.example"};
  settings.certificate.ip_addresses.clear();
  const fake_server server{behaviour, settings};
  std::error_code error;
  std::string context;
  transport::dial_target target{host, server.port(), transport::negotiation::tls,
                                transport::tls_context::create(tls_config(server), error, context), std::nullopt};
  target.resolve = [](const std::string&, std::uint16_t port) {
    return transport::looked_up{{asio::ip::tcp::endpoint{asio::ip::address_v4::loopback(), port}}, {}};
  };
  asio::io_context io;
  bool done = false;
  const auto dialler = transport::dialler::start(io.get_executor(), target, [&](transport::dial_result end) {
    error = end.error;
    done = true;
    end.stream.close();
  });
  const auto deadline = std::chrono::steady_clock::now() + hang_guard;
  while (!done && io.run_one_until(deadline) > 0) continue;
  EXPECT_TRUE(done);
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  return error;
}

script handshake(bool refused) {
  return {steps::expect_ssl_request(), steps::send("S"), custom([refused](fake_session& session) {
            const auto& own = session.server().own_identity();
            (refused ? steps::start_refused_tls(own) : steps::start_tls(own)).run(session);
          })};
}

TEST(hostile_names, B14_a_wildcard_stands_for_exactly_one_label) {
  EXPECT_FALSE(dial("a.x.example", handshake(false)));
  for (const char* host : {"a.b.x.example", "x.example", "ax.example"}) {
    EXPECT_EQ(dial(host, handshake(true)), errc::tls_failed) << host;
  }
}

}  // namespace
}  // namespace lido::testing
