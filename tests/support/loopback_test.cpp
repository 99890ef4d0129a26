// The small helpers: each is used by many tests as if it could not be wrong.
#include "tests/support/loopback.hpp"

#include "tests/support/eventually.hpp"
#include "tests/support/fake_server.hpp"
#include "tests/support/fake_server_steps.hpp"

#include <gtest/gtest.h>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

http_response get_answered_by(const std::string& answer) {
  const auto read_request = [](fake_session& session) { session.stream().receive_some(); };
  const fake_server server{script{step{"request", read_request}, steps::send(answer)}};
  auto response = http_get(server.host(), server.port(), "/metrics");
  EXPECT_TRUE(server.received().starts_with("GET /metrics HTTP/1.1\r\n"));
  return response;
}

TEST(loopback, http_get_splits_the_answer) {
  const auto response = get_answered_by("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nup 1\n");
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.headers.find("text/plain"), std::string::npos);
  EXPECT_EQ(response.body, "up 1\n");
}

TEST(loopback, http_get_joins_chunks) {
  const auto response = get_answered_by(
      "HTTP/1.1 404 No\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, "abc0123456789");
}

TEST(loopback, http_get_refuses_what_is_not_http) { EXPECT_THROW(get_answered_by("SSH-2.0\r\n"), std::runtime_error); }

TEST(loopback, a_free_port_lies_below_the_ephemeral_range) {
  EXPECT_LT(free_port(), 32768);
  EXPECT_GE(free_port(), 1024);
}

TEST(loopback, hex_dump_shows_offset_bytes_and_text) {
  EXPECT_EQ(hex_dump(std::string("R\0ABC", 5)), "00000000  52 00 41 42 43" + std::string(33, ' ') + "  |R.ABC|\n");
  EXPECT_NE(hex_dump(std::string(17, 'x')).find("00000010  78"), std::string::npos);
}

TEST(eventually, holds_gives_up_and_polls) {
  int calls = 0;
  EXPECT_TRUE(eventually([&] { return ++calls == 3; }));
  EXPECT_EQ(calls, 3);
  EXPECT_FALSE(eventually([] { return false; }, 5ms));
}

}  // namespace
}  // namespace lido::testing
