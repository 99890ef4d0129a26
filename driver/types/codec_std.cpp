#include <lido/driver/codec_std.hpp>

#include <charconv>
#include <system_error>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

// All of `text`, or nothing: "12abc" is no number.
template <class Number>
bool number_from_text(std::string_view text, Number& out) noexcept {
  const char* const end = text.data() + text.size();
  const auto [stop, ec] = std::from_chars(text.data(), end, out);
  return ec == std::errc{} && stop == end;
}

int nibble(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace

bool bool_from_text(std::string_view text, bool& out) noexcept {
  out = text == "t";
  return out || text == "f";
}

bool int_from_text(std::string_view text, std::int64_t& out) noexcept { return number_from_text(text, out); }
bool float_from_text(std::string_view text, float& out) noexcept { return number_from_text(text, out); }
bool double_from_text(std::string_view text, double& out) noexcept { return number_from_text(text, out); }

bool bytea_from_text(std::string_view text, std::vector<std::byte>& out) {
  out.clear();
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return false;  // bytea_output = escape is not read
  text.remove_prefix(2);
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = nibble(text[i]);
    const int low = nibble(text[i + 1]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return true;
}

bool is_text_type(std::uint32_t type) noexcept {
  switch (type) {
    case oid::text:
    case oid::varchar:
    case oid::bpchar:
    case oid::name:
    case oid::single_char:
    case oid::json:
    case oid::jsonb:
    case oid::xml:
    case oid::unknown:
    case oid::void_: return true;
    default:
      return type >= oid::first_user_defined;  // enums and citext send their text; what does not is noticed by its NULs
  }
}

bool text_of_value(value_reader& in, std::string_view& out) noexcept {
  if (in.binary() && in.type() == oid::jsonb && in.take<std::uint8_t>() != 1) return false;  // version of the format
  out = in.take_all();
  // The empty "char" is one byte in binary, a NUL; its text form is empty.
  if (in.binary() && in.type() == oid::single_char && out == std::string_view("\0", 1)) out = {};
  // Arrays, row types and ranges have counts and lengths in their binary form, hence NULs, which no text has.
  const bool may_be_binary = in.binary() && in.type() >= oid::first_user_defined;
  return !may_be_binary || out.find('\0') == std::string_view::npos;
}

bool put_text(std::string_view text, value_writer& out) {
  if (text.size() > max_request_bytes || text.find('\0') != std::string_view::npos) return false;
  out.put_bytes(text);
  return true;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
