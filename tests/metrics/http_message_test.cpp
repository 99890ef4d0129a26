// What comes in over the port is judged before anything looks at it.
#include "metrics/http/message.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using namespace lido::metrics::http;

request of(std::string_view head) { return parse(head); }

TEST(S13_http_request, get_and_head_of_a_path) {
  const std::string get = "GET /metrics HTTP/1.1\r\nHost: localhost:9187\r\nAccept: */*\r\n\r\n";
  EXPECT_EQ(of(get).verdict, status::ok);
  EXPECT_EQ(of(get).path, "/metrics");
  EXPECT_EQ(of(get).host, "localhost");
  EXPECT_FALSE(of(get).head_only);
  EXPECT_TRUE(of("HEAD /healthz HTTP/1.0\r\n\r\n").head_only);
  EXPECT_EQ(of("HEAD /healthz HTTP/1.0\r\n\r\n").verdict, status::ok);
  EXPECT_EQ(of("GET / HTTP/1.1\r\nhOsT: [::1]:9187\r\n\r\n").host, "::1");
}

TEST(S13_http_request, the_query_is_cut_off_and_the_path_never_decoded) {
  EXPECT_EQ(of("GET /pools?x=/../etc HTTP/1.1\r\nHost: a\r\n\r\n").path, "/pools");
  EXPECT_EQ(of("GET /%2e%2e/etc HTTP/1.1\r\nHost: a\r\n\r\n").path, "/%2e%2e/etc");
}

TEST(S13_http_request, other_methods_versions_and_sizes_are_refused) {
  EXPECT_EQ(of("POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n").verdict, status::method_not_allowed);
  EXPECT_EQ(of("GET / HTTP/2.0\r\nHost: a\r\n\r\n").verdict, status::version_not_supported);
  EXPECT_EQ(of("GET /" + std::string(max_target_bytes, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n").verdict,
            status::target_too_long);
  EXPECT_EQ(of("GET / HTTP/1.1\r\nX: " + std::string(max_head_bytes, 'a')).verdict, status::head_too_large);
  EXPECT_EQ(of("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").verdict, status::payload_too_large);
  EXPECT_EQ(of("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").verdict, status::payload_too_large);
  EXPECT_EQ(of("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").verdict, status::ok);
}

class S13_http_garbage : public testing::TestWithParam<std::string> {};

TEST_P(S13_http_garbage, is_a_bad_request) { EXPECT_EQ(of(GetParam()).verdict, status::bad_request); }

INSTANTIATE_TEST_SUITE_P(
    requests, S13_http_garbage,
    testing::Values("\r\n\r\n", "GET\r\n\r\n", "GET /\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
                    "GET x HTTP/1.1\r\nHost: a\r\n\r\n", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
                    "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", std::string("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 28),
                    "GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
                    "GET / HTTP/1.1\r\n\r\n" /* no host */, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                    "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
                    "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
                    "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\r\n\r\n",
                    "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"));

TEST(S13_http_answer, bears_the_headers_that_keep_a_browser_out) {
  answer a;
  a.body = "hello";
  const std::string bytes = serialise(a, false);
  EXPECT_TRUE(bytes.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(bytes.ends_with("\r\n\r\nhello"));
  for (const char* header :
       {"Content-Length: 5", "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "X-Frame-Options: DENY",
        "Content-Security-Policy: default-src 'none'", "Connection: close", "Cross-Origin-Resource-Policy: same-origin",
        "Referrer-Policy: no-referrer"}) {
    EXPECT_NE(bytes.find(std::string{"\r\n"} + header), std::string::npos) << header;
  }
  const std::string head = serialise(a, true);
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_NE(head.find("Content-Length: 5"), std::string::npos);
}

TEST(S13_local_name, is_localhost_or_an_address_and_no_name_that_somebody_else_could_own) {
  for (const char* host : {"", "localhost", "LocalHost", "127.0.0.1", "::1", "10.0.0.1"})
    EXPECT_TRUE(is_local_name(host));
  for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "a"})
    EXPECT_FALSE(is_local_name(host));
}

}  // namespace
