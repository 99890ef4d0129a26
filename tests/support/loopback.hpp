// Small things about the loopback interface: a free port, an HTTP GET, a hex dump for failure messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lido::testing {

/// A TCP port of 127.0.0.1 that nobody listens on. It lies below the kernel's ephemeral range, so that no outgoing
/// connection takes it while a server that owns it restarts.
[[nodiscard]] std::uint16_t free_port();

struct http_response {
  int status = 0;
  std::string headers;
  std::string body;
};

/// HTTP/1.1 GET with "Connection: close"; throws when the server cannot be reached or does not answer in time.
[[nodiscard]] http_response http_get(const std::string& host, std::uint16_t port, const std::string& path);

/// "00000000  52 00 00 00  ...  |R...|", 16 bytes a line.
[[nodiscard]] std::string hex_dump(std::string_view bytes);

}  // namespace lido::testing
