// From the bytes of a DataRow to C++ values: walking the cells, decoding one, and the errors with which both end.
// Nothing throws here but the two functions that are named so; they are for the public accessors.
#pragma once

#include <lido/driver/codec.hpp>
#include <lido/driver/codec_std.hpp>
#include <lido/driver/detail/raw_result.hpp>
#include <lido/driver/error.hpp>

#include <bit>
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

// One value as it came. Small enough to travel in registers: rows are read at a few instructions a column.
struct cell {
  const char* data = nullptr;
  std::int32_t size = -1;  // -1: NULL

  bool null() const noexcept { return size < 0; }
  std::string_view bytes() const noexcept {
    return null() ? std::string_view() : std::string_view(data, static_cast<std::size_t>(size));
  }
};

// Walks the body of one DataRow. The connection has checked it already; it is checked again because a decoder that
// trusts lengths is how drivers get their CVEs (reliability C17).
class cell_walker {
 public:
  explicit cell_walker(std::string_view body) noexcept : at_(body.data()), end_(body.data() + body.size()) {
    at_ += body.size() < 2 ? body.size() : 2;  // their number is RowDescription's
  }

  bool next(cell& out) noexcept {
    if (end_ - at_ < static_cast<std::ptrdiff_t>(sizeof(std::int32_t))) return false;
    std::int32_t wire;
    std::memcpy(&wire, at_, sizeof wire);
    at_ += sizeof wire;
    const std::int32_t size = big_endian(wire);
    if (size > end_ - at_ || size < -1) return false;
    out = {at_, size};
    if (size > 0) at_ += size;
    return true;
  }

  // The next value, if it is not NULL and has exactly Size bytes; otherwise null, and next() says what it is.
  template <std::size_t Size>
  const char* next_of() noexcept {
    constexpr std::size_t both = sizeof(std::uint32_t) + Size;
    if (end_ - at_ < static_cast<std::ptrdiff_t>(both)) [[unlikely]]
      return nullptr;
    std::uint32_t wire;
    std::memcpy(&wire, at_, sizeof wire);
    if (wire != big_endian(static_cast<std::uint32_t>(Size))) [[unlikely]]
      return nullptr;
    const char* const value = at_ + sizeof wire;
    at_ += both;
    return value;
  }

 private:
  const char* at_;
  const char* end_;
};

enum class decode_status : std::uint8_t { ok, null, malformed };

template <class T>
decode_status decode_cell(cell from, const column& col, T& out) {
  if constexpr (is_optional<T>) {
    if (from.null()) {
      out.reset();
      return decode_status::ok;
    }
    return decode_cell(from, col, out.emplace());
  } else {
    if (from.null()) return decode_status::null;
    value_reader in(from.bytes(), col.type_oid, col.binary);
    return codec<T>::decode(in, out) && in.complete() ? decode_status::ok : decode_status::malformed;
  }
}

// Types whose binary form is the value itself in network order.
template <class T>
concept plain_number = sql_integer<T> || std::same_as<T, float> || std::same_as<T, double>;

template <class T>
inline constexpr bool direct_text = std::same_as<T, std::string> || std::same_as<T, std::string_view>;

// Types whose binary form is one integer, of which their codec makes a value or not.
template <class T>
concept made_of_integer = requires(typename codec<T>::wire value, T& out) {
  { codec<T>::decode_wire(value, out) } -> std::same_as<bool>;
};

template <class T>
concept read_as_number = plain_number<T> || made_of_integer<T>;

template <class T>
concept has_direct = read_as_number<T> || direct_text<T>;

// One from where it stands in a row. False when its codec takes it for none.
template <read_as_number T>
bool read_number(const char* from, T& out) noexcept {
  if constexpr (plain_number<T>) {
    using bits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>>;
    bits wire;
    std::memcpy(&wire, from, sizeof wire);
    out = std::bit_cast<T>(big_endian(wire));
    return true;
  } else {
    typename codec<T>::wire wire;
    std::memcpy(&wire, from, sizeof wire);
    return codec<T>::decode_wire(big_endian(wire), out);
  }
}
template <read_as_number T>
constexpr std::size_t number_size() noexcept {
  if constexpr (plain_number<T>) {
    return sizeof(T);
  } else {
    return sizeof(typename codec<T>::wire);
  }
}

// The short way through decode_cell where the column is exactly what the type is when sent; taken once per result by
// row_plan.
template <class T>
bool is_direct(const column& col) noexcept {
  if (!col.binary) return false;
  if constexpr (read_as_number<T>) {
    return col.type_oid == codec<T>::type;
  } else {
    return direct_text<T> && col.type_oid != oid::jsonb && col.type_oid < oid::first_user_defined;
  }
}

template <class T>
decode_status decode_direct(cell from, [[maybe_unused]] const column& col, T& out) {
  if constexpr (is_optional<T>) {
    if (from.null()) {
      out.reset();
      return decode_status::ok;
    }
    return decode_direct(from, col, out.emplace());
  } else if constexpr (read_as_number<T>) {
    if (from.size != static_cast<std::int32_t>(number_size<T>()))
      return from.null() ? decode_status::null : decode_status::malformed;
    return read_number(from.data, out) ? decode_status::ok : decode_status::malformed;
  } else {
    if (from.null()) return decode_status::null;
    if constexpr (std::same_as<T, std::string>) {
      out.assign(from.data, static_cast<std::size_t>(from.size));
    } else {
      out = from.bytes();
    }
    return decode_status::ok;
  }
}

// The next value of a row, where its column may be read the short way if T has one. False when it is anything but a
// value of T; `walker` may then stand anywhere.
template <class T>
bool take_straight(cell_walker& walker, const column& col, T& out) {
  if constexpr (read_as_number<T>) {
    const char* const value = walker.next_of<number_size<T>()>();
    return value != nullptr && read_number(value, out);
  } else {
    cell from;
    if (!walker.next(from)) [[unlikely]]
      return false;
    if constexpr (has_direct<without_optional_t<T>>) {
      return decode_direct(from, col, out) == decode_status::ok;
    } else {
      return decode_cell(from, col, out) == decode_status::ok;
    }
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
// Of a type that is known by name: what the server's is called, and which one the C++ type stands for.
std::string describe_named_mismatch(const column& col, std::size_t index, std::string_view server_type,
                                    std::string_view cpp_type, std::string_view wanted);
std::error_code report(errc code, std::string text, lazy_diagnostics& diag);
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
