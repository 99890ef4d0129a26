// HTTP/1.1 as far as a page of metrics needs it: one request without a body, one answer, then the end. Bytes in, values
// out; the sockets are in server.hpp.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lido::inline v0::metrics::http {

inline constexpr std::size_t max_head_bytes = 8192;   // request line and headers, blank line included
inline constexpr std::size_t max_target_bytes = 512;  // of the request line

enum class status : unsigned short {
  ok = 200,
  found = 302,
  bad_request = 400,
  not_found = 404,
  method_not_allowed = 405,
  payload_too_large = 413,
  target_too_long = 414,
  misdirected = 421,
  head_too_large = 431,
  internal_error = 500,
  unavailable = 503,
  version_not_supported = 505,
};

struct request {
  status verdict = status::bad_request;  // ok: the rest is valid; else what to answer
  bool head_only = false;
  std::string_view path;  // as sent, the query cut off; never decoded, only compared
  std::string_view host;  // without the port; empty when HTTP/1.0 sent none
};

/// Where the blank line ends, or npos while it has not come.
[[nodiscard]] std::size_t end_of_head(std::string_view bytes) noexcept;

/// `head` is a whole one, or max_head_bytes of one that has no end. The views point into it.
[[nodiscard]] request parse(std::string_view head) noexcept;

struct answer {
  status code = status::ok;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::string> headers;  // whole lines without their end
};

/// The bytes to send: with the headers that every answer bears (no caching, no sniffing, no framing, nothing loaded).
[[nodiscard]] std::string serialise(const answer& what, bool head_only);

/// Whether a browser that was lured to a name of the attacker's which leads here (DNS rebinding) would have sent it.
[[nodiscard]] bool is_local_name(std::string_view host) noexcept;

}  // namespace lido::inline v0::metrics::http
