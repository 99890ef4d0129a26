// The least that a client of the wire protocol must do, for the two floors: bytes out, messages in. No checks, no
// features.
#pragma once

#include "bench/peers/measure.hpp"

#include <arpa/inet.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace lido::bench::wire {

inline std::uint32_t load(const char* from) noexcept {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return ntohl(value);
}

class output {
 public:
  std::string bytes;

  void ssl_request() {
    put32(8);
    put32(80877103);
  }
  void startup(const options& opt) {
    const std::size_t at = open('\0');
    put32(196608);
    for (const std::string& each : {std::string("user"), opt.user, std::string("database"), opt.database}) put(each);
    bytes.push_back('\0');
    close(at);
  }
  void parse(std::string_view name, std::string_view sql, std::uint32_t type) {
    const std::size_t at = open('P');
    put(name);
    put(sql);
    put16(1);
    put32(type);
    close(at);
  }
  // Bind and Execute of statement "q" with one int4, all binary, and Sync.
  void run(std::int32_t value) {
    static constexpr std::string_view pattern{
        "B\0\0\0\x19\0q\0\0\1\0\1\0\1\0\0\0\4\0\0\0\0\0\1\0\1E\0\0\0\x9\0\0\0\0\0S\0\0\0\4", 41};
    const std::size_t at = bytes.size();
    bytes += pattern;
    const std::uint32_t big = htonl(static_cast<std::uint32_t>(value));
    std::memcpy(bytes.data() + at + 18, &big, sizeof big);
  }
  void sync() { close(open('S')); }

 private:
  void put16(std::uint16_t value) {
    const std::uint16_t big = htons(value);
    bytes.append(reinterpret_cast<const char*>(&big), sizeof big);
  }
  void put32(std::uint32_t value) {
    const std::uint32_t big = htonl(value);
    bytes.append(reinterpret_cast<const char*>(&big), sizeof big);
  }
  void put(std::string_view text) { bytes.append(text).push_back('\0'); }
  std::size_t open(char type) {
    if (type != '\0') bytes.push_back(type);
    const std::size_t at = bytes.size();
    put32(0);
    return at;
  }
  void close(std::size_t at) {
    const std::uint32_t big = htonl(static_cast<std::uint32_t>(bytes.size() - at));
    std::memcpy(bytes.data() + at, &big, sizeof big);
  }
};

class input {
 public:
  char* room() {
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ == bytes_.size()) bytes_.resize(bytes_.size() * 2);
    return bytes_.data() + end_;
  }
  std::size_t room_size() const noexcept { return bytes_.size() - end_; }
  void commit(std::size_t n) noexcept { end_ += n; }

  // The type of the next whole message, 0 when more bytes are needed. `body` is valid until room().
  char next(const char*& body) noexcept {
    if (end_ - begin_ < 5) return 0;
    const std::size_t length = load(bytes_.data() + begin_ + 1);
    if (end_ - begin_ < length + 1) return 0;
    const char type = bytes_[begin_];
    body = bytes_.data() + begin_ + 5;
    begin_ += length + 1;
    if (type == 'E') fail(std::string_view(body, length - 4));
    return type;
  }

 private:
  std::vector<char> bytes_ = std::vector<char>(8192);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

inline std::int32_t value_of_row(const char* body) noexcept { return static_cast<std::int32_t>(load(body + 6)); }

}  // namespace lido::bench::wire
