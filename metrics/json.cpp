#include "metrics/json.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdio>

namespace lido::inline v0::metrics {
namespace {

// The length of the UTF-8 sequence that begins here; 0 when there is none (RFC 3629: no overlong form, no surrogate).
std::size_t sequence_length(std::string_view s) {
  const auto at = [&s](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned lead = at(0);
  const std::size_t n = lead < 0x80                   ? 1
                        : lead >= 0xc2 && lead < 0xe0 ? 2
                        : lead >= 0xe0 && lead < 0xf0 ? 3
                        : lead >= 0xf0 && lead < 0xf5 ? 4
                                                      : 0;
  if (n == 0 || n > s.size()) return 0;
  for (std::size_t i = 1; i < n; ++i) {
    if ((at(i) & 0xc0U) != 0x80U) return 0;
  }
  if (n < 3) return n;
  const unsigned second = at(1);
  const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool beyond = (lead == 0xed && second >= 0xa0) || (lead == 0xf4 && second >= 0x90);
  return overlong || beyond ? 0 : n;
}

void append_code(std::string& out, unsigned char c) {
  std::array<char, 8> code{};
  std::snprintf(code.data(), code.size(), "\\u%04x", static_cast<unsigned>(c));
  out += code.data();
}

}  // namespace

json_writer& json_writer::open(char bracket) {
  separate();
  out_ += bracket;
  first_ = true;
  return *this;
}

json_writer& json_writer::close(char bracket) {
  out_ += bracket;
  first_ = false;
  return *this;
}

void json_writer::separate() {
  if (!first_) out_ += ',';
  first_ = false;
}

json_writer& json_writer::key(std::string_view name) {
  separate();
  quote(name);
  out_ += ':';
  first_ = true;  // its value follows without a comma
  return *this;
}

json_writer& json_writer::text(std::string_view value) {
  separate();
  quote(value);
  return *this;
}

json_writer& json_writer::number(double value) {
  separate();
  if (!std::isfinite(value)) {
    out_ += "null";
    return *this;
  }
  std::array<char, 32> digits{};
  const auto [end, ec] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out_.append(digits.data(), ec == std::errc{} ? end : digits.data());
  return *this;
}

json_writer& json_writer::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

void json_writer::quote(std::string_view value) {
  out_ += '"';
  while (!value.empty()) {
    const std::size_t n = sequence_length(value);
    if (n == 0) {
      out_ += "\\ufffd";
      value.remove_prefix(1);
      continue;
    }
    const char c = value.front();
    if (n > 1) {
      out_.append(value.substr(0, n));
    } else if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '<' || c == '>' || c == '&') {
      append_code(out_, static_cast<unsigned char>(c));
    } else {
      out_ += c;
    }
    value.remove_prefix(n);
  }
  out_ += '"';
}

}  // namespace lido::inline v0::metrics
