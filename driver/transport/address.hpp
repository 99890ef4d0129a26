// Hosts and endpoints as text: what is a literal address, what a certificate must name, what a person reads in an
// error.
#pragma once

#include <asio/generic/stream_protocol.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lido::transport {

using endpoint = asio::generic::stream_protocol::endpoint;

// By inet_pton's rules: 192.000.002.001 is a name that happens to resolve (B15).
bool is_numeric_address(const std::string& host) noexcept;
std::optional<endpoint> numeric_endpoint(const std::string& host, std::uint16_t port);

// A folder means PostgreSQL's socket in it.
bool is_unix_host(std::string_view host) noexcept;
std::string unix_path(std::string_view folder, std::uint16_t port);
// Empty when the path is longer than the kernel's 107 bytes.
std::optional<endpoint> unix_endpoint(const std::string& path);

// What SNI and verification use: without the root's dot, without an IPv6 zone.
std::string name_for_tls(std::string_view host);

std::string describe(const endpoint& where);

// Address and port as PostgreSQL shows them in pg_stat_activity: an IPv4 address as such also on an IPv6 socket, no
// zone; a Unix socket has no address and port -1.
struct numeric_name {
  std::string address;
  int port = 0;
};
numeric_name name_of(const endpoint& where);

}  // namespace lido::transport
