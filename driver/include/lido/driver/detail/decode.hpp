// From the bytes of a DataRow to C++ values: walking the cells, decoding one, and the errors with which both end.
// Nothing throws here but the two functions that are named so; they are for the public accessors.
#pragma once

#include <lido/driver/codec.hpp>
#include <lido/driver/detail/raw_result.hpp>
#include <lido/driver/error.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace lido {
inline namespace v0 {
namespace detail {

struct cell {
  std::string_view bytes;
  bool null = true;
};

// Walks the body of one DataRow. The connection has checked it already; it is checked again because a decoder that
// trusts lengths is how drivers get their CVEs (reliability C17).
class cell_walker {
 public:
  explicit cell_walker(std::string_view body) noexcept : rest_(body) {
    rest_.remove_prefix(rest_.size() < 2 ? rest_.size() : 2);  // their number is RowDescription's
  }

  bool next(cell& out) noexcept {
    if (rest_.size() < sizeof(std::int32_t)) return false;
    std::int32_t wire;
    std::memcpy(&wire, rest_.data(), sizeof wire);
    const std::int32_t length = big_endian(wire);
    rest_.remove_prefix(sizeof wire);
    out.null = length == -1;
    if (length <= 0) {
      out.bytes = {};
      return length >= -1;
    }
    const auto size = static_cast<std::size_t>(length);
    if (size > rest_.size()) return false;
    out.bytes = {rest_.data(), size};
    rest_.remove_prefix(size);
    return true;
  }

 private:
  std::string_view rest_;
};

enum class decode_status : std::uint8_t { ok, null, malformed };

template <class T>
decode_status decode_cell(const cell& from, const column& col, T& out) {
  if constexpr (is_optional<T>) {
    if (from.null) {
      out.reset();
      return decode_status::ok;
    }
    return decode_cell(from, col, out.emplace());
  } else {
    if (from.null) return decode_status::null;
    value_reader in(from.bytes, col.type_oid, col.binary);
    return codec<T>::decode(in, out) && in.complete() ? decode_status::ok : decode_status::malformed;
  }
}

template <class T>
constexpr std::string_view compiler_name() noexcept {
  constexpr std::string_view text = __PRETTY_FUNCTION__;
  constexpr std::size_t begin = text.find("T = ") + 4;
  return text.substr(begin, text.find_first_of(";]", begin) - begin);
}

// The name of a type for messages: what its codec says, else what the compiler says.
template <class T>
constexpr std::string_view cpp_name() noexcept {
  using type = without_optional_t<T>;
  if constexpr (requires { codec<type>::name; }) {
    return codec<type>::name;
  } else {
    return compiler_name<type>();
  }
}

// All of these name the column, the server's type and the C++ type; never a value.
std::string describe_mismatch(const column& col, std::size_t index, std::string_view cpp_type);
std::error_code report(errc code, std::string text, diagnostics& diag);
[[noreturn]] void throw_error(errc code, std::string text);
[[noreturn]] void throw_decode_error(decode_status status, const column& col, std::size_t index,
                                     std::string_view cpp_type);

// nullopt when `name` is not there or there more than once.
std::optional<std::size_t> find_column(const row_description& columns, std::string_view name) noexcept;
[[noreturn]] void throw_no_column(const row_description& columns, std::string_view name);
[[noreturn]] void throw_no_column(std::size_t count, std::size_t index);

}  // namespace detail
}  // namespace v0
}  // namespace lido
