#include "tests/support/loopback.hpp"

#include "tests/support/descriptor.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>

namespace lido::testing {
namespace {

constexpr int lowest_port = 12000;
constexpr int highest_port = 32000;

bool can_bind(std::uint16_t port) {
  const descriptor socket{checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

descriptor connected(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    throw std::runtime_error{"no address for " + host};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list{found, &::freeaddrinfo};
  for (const addrinfo* item = found; item != nullptr; item = item->ai_next) {
    descriptor socket{::socket(item->ai_family, item->ai_socktype | SOCK_CLOEXEC, item->ai_protocol)};
    const timeval limit{10, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (::connect(socket.get(), item->ai_addr, item->ai_addrlen) == 0) return socket;
  }
  throw std::runtime_error{"cannot connect to " + host};
}

std::string read_to_end(const descriptor& socket) {
  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    const auto size = checked(::recv(socket.get(), buffer.data(), buffer.size(), 0), "recv");
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

std::string unchunked(std::string_view text) {
  std::string body;
  for (;;) {
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size, 16);
    const auto line = text.find("\r\n");
    if (error != std::errc{} || line == std::string_view::npos) throw std::runtime_error{"malformed HTTP chunk"};
    if (size == 0) return body;
    body += text.substr(line + 2, size);
    text.remove_prefix(std::min(text.size(), line + 2 + size + 2));
  }
}

}  // namespace

std::uint16_t free_port() {
  std::random_device random;
  std::uniform_int_distribution<int> ports{lowest_port, highest_port};
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto port = static_cast<std::uint16_t>(ports(random));
    if (can_bind(port)) return port;
  }
  throw std::runtime_error{"no free port"};
}

http_response http_get(const std::string& host, std::uint16_t port, const std::string& path) {
  const auto socket = connected(host, port);
  const auto request = "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n";
  checked(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL), "send");
  const auto text = read_to_end(socket);
  const auto split = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.") || split == std::string::npos) throw std::runtime_error{"not an HTTP answer"};
  http_response response;
  response.status = std::stoi(text.substr(9, 3));
  response.headers = text.substr(0, split);
  response.body = text.substr(split + 4);
  const bool chunked = response.headers.find("chunked") != std::string::npos;
  if (chunked) response.body = unchunked(response.body);
  return response;
}

std::string hex_dump(std::string_view bytes) {
  std::string text;
  std::array<char, 32> cell{};
  for (std::size_t line = 0; line < bytes.size(); line += 16) {
    const auto part = bytes.substr(line, 16);
    std::snprintf(cell.data(), cell.size(), "%08zx ", line);
    text += cell.data();
    std::string readable;
    for (const char byte : part) {
      const auto value = static_cast<unsigned char>(byte);
      std::snprintf(cell.data(), cell.size(), " %02x", static_cast<unsigned>(value));
      text += cell.data();
      readable += value >= 0x20 && value < 0x7f ? byte : '.';
    }
    text += std::string((16 - part.size()) * 3, ' ') + "  |" + readable + "|\n";
  }
  return text;
}

}  // namespace lido::testing
