#include "driver/transport/address.hpp"

#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <system_error>

namespace lido::transport {

bool is_numeric_address(const std::string& host) noexcept {
  std::error_code ec;
  (void)asio::ip::make_address(host.c_str(), ec);
  return !ec;
}

std::optional<endpoint> numeric_endpoint(const std::string& host, std::uint16_t port) {
  std::error_code ec;
  const auto address = asio::ip::make_address(host.c_str(), ec);
  if (ec) return std::nullopt;
  return endpoint(asio::ip::tcp::endpoint(address, port));
}

bool is_unix_host(std::string_view host) noexcept { return host.starts_with('/'); }

std::string unix_path(std::string_view folder, std::uint16_t port) {
  std::string path(folder);
  if (!path.ends_with('/')) path += '/';
  return path + ".s.PGSQL." + std::to_string(port);
}

std::optional<endpoint> unix_endpoint(const std::string& path) {
  constexpr std::size_t longest = sizeof(sockaddr_un{}.sun_path) - 1;
  if (path.size() > longest) return std::nullopt;
  return endpoint(asio::local::stream_protocol::endpoint(path));
}

std::string name_for_tls(std::string_view host) {
  const auto zone = host.find('%');
  if (zone != std::string_view::npos && host.find(':') < zone) host = host.substr(0, zone);
  if (host.ends_with('.')) host.remove_suffix(1);
  return std::string(host);
}

std::string describe(const endpoint& where) {
  const auto* const raw = where.data();
  if (raw->sa_family == AF_UNIX) {
    sockaddr_un local{};
    std::memcpy(&local, raw, std::min<std::size_t>(where.size(), sizeof local));
    return std::string(local.sun_path, ::strnlen(local.sun_path, sizeof local.sun_path));
  }
  asio::ip::tcp::endpoint tcp;
  if (where.size() > tcp.capacity()) return "unknown address";
  std::memcpy(tcp.data(), raw, where.size());
  const std::string port = ":" + std::to_string(tcp.port());
  const std::string address = tcp.address().to_string();
  return (tcp.address().is_v6() ? "[" + address + "]" : address) + port;
}

numeric_name name_of(const endpoint& where) {
  if (where.data()->sa_family == AF_UNIX) return {{}, -1};
  asio::ip::tcp::endpoint tcp;
  if (where.size() > tcp.capacity()) return {};
  std::memcpy(tcp.data(), where.data(), where.size());
  asio::ip::address address = tcp.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  std::string text = address.to_string();
  return {text.substr(0, text.find('%')), tcp.port()};
}

}  // namespace lido::transport
