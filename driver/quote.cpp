#include "driver/escape.hpp"

#include <lido/driver/detail/decode.hpp>
#include <lido/driver/error.hpp>
#include <lido/driver/quote.hpp>

namespace lido {
inline namespace v0 {

namespace {

bool may_be_quoted(std::string_view text) noexcept {
  return text.find('\0') == std::string_view::npos && detail::is_utf8(text);
}

void append_doubling(std::string& out, std::string_view text, std::string_view doubled) {
  for (const char c : text) {
    if (doubled.find(c) != std::string_view::npos) out += c;
    out += c;
  }
}

}  // namespace

std::string quote_identifier(std::string_view name, std::error_code& ec) {
  ec = may_be_quoted(name) ? std::error_code{} : make_error_code(errc::not_encodable);
  if (ec) return {};
  std::string out = "\"";
  append_doubling(out, name, "\"");
  return out += '"';
}

std::string quote_literal(std::string_view text, std::error_code& ec) {
  ec = may_be_quoted(text) ? std::error_code{} : make_error_code(errc::not_encodable);
  if (ec) return {};
  const bool escapes = text.find('\\') != std::string_view::npos;
  std::string out = escapes ? " E'" : "'";
  append_doubling(out, text, escapes ? "'\\" : "'");
  return out += '\'';
}

std::string quote_identifier(std::string_view name) {
  std::error_code ec;
  std::string quoted = quote_identifier(name, ec);
  if (ec) detail::throw_error(errc::not_encodable, "a name that is no UTF-8, or with a NUL in it, cannot be quoted");
  return quoted;
}

std::string quote_literal(std::string_view text) {
  std::error_code ec;
  std::string quoted = quote_literal(text, ec);
  if (ec) detail::throw_error(errc::not_encodable, "a text that is no UTF-8, or with a NUL in it, cannot be quoted");
  return quoted;
}

}  // namespace v0
}  // namespace lido
