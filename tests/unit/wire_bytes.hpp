// Bytes of the protocol for tests, written out by hand: body("..").u16(1).text("a") and whole messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace lido::test {

class bytes {
 public:
  bytes() = default;
  explicit bytes(std::string_view raw) : data_(raw) {}

  bytes& u8(unsigned value) { return integer(value, 1); }
  bytes& u16(unsigned value) { return integer(value, 2); }
  bytes& u32(std::uint32_t value) { return integer(value, 4); }
  bytes& raw(std::string_view text) {
    data_ += text;
    return *this;
  }
  bytes& text(std::string_view text) { return raw(text).u8(0); }

  // NOLINTNEXTLINE(google-explicit-constructor): a builder stands for what it built
  operator std::string() const { return data_; }
  operator std::string_view() const { return data_; }  // NOLINT(google-explicit-constructor): same

 private:
  bytes& integer(std::uint32_t value, unsigned size) {
    while (size-- > 0) data_ += static_cast<char>(value >> (8 * size) & 0xffU);
    return *this;
  }

  std::string data_;
};

// The message as it is on the wire.
inline std::string message(char type, std::string_view body) {
  return bytes{}.raw({&type, 1}).u32(static_cast<std::uint32_t>(body.size() + 4)).raw(body);
}

// A header that promises `length`, with nothing behind it.
inline std::string header(char type, std::uint32_t length) { return bytes{}.raw({&type, 1}).u32(length); }

inline bytes& append_column(bytes& to, std::string_view name, unsigned format) {
  return to.text(name).u32(0).u16(0).u32(23).u16(4).u32(0xffffffff).u16(format);
}

inline std::string row_description(std::initializer_list<std::string_view> names, unsigned format = 0) {
  bytes out;
  out.u16(static_cast<unsigned>(names.size()));
  for (const std::string_view name : names) append_column(out, name, format);
  return out;
}

inline std::string data_row(std::initializer_list<std::string_view> fields) {
  bytes out;
  out.u16(static_cast<unsigned>(fields.size()));
  for (const std::string_view field : fields) out.u32(static_cast<std::uint32_t>(field.size())).raw(field);
  return out;
}

inline std::string error_body(std::string_view severity, std::string_view sqlstate, std::string_view text) {
  return bytes{}.raw("S").text(severity).raw("V").text(severity).raw("C").text(sqlstate).raw("M").text(text).u8(0);
}

}  // namespace lido::test
