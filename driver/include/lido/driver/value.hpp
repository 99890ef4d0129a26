// The bytes of one value, written and read with every bound checked. What a codec works with; see codec.hpp.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

// A type of the server: by number, or by a name whose number is looked up before the value is sent.
enum class type_part : std::uint8_t { itself, array };
struct type_ref {
  std::uint32_t oid = 0;
  std::string_view name{};  // a constant's; empty: the number says it
  type_part part = type_part::itself;

  constexpr bool named() const noexcept { return !name.empty(); }
  constexpr bool known() const noexcept { return oid != 0 || named(); }
};

// A place in a request that waits for the number of a named type: a parameter's type, or four bytes in its value.
struct type_use {
  type_ref what;
  bool parameter = false;
  std::size_t where = 0;        // which parameter; offset among the values
  std::int32_t attribute = -1;  // of the composite `what`, from 0: the type of this field, which is sent as `field`
  type_ref field;
  std::string_view cpp_type;  // of the field, for an error
};
using type_uses = std::vector<type_use>;

/// The server's MaxAllocSize - 1: above it a length would wrap or be refused on the other side (CVE-2024-27304 and its
/// kin).
inline constexpr std::size_t max_request_bytes = 0x3fffffff;

template <std::integral Int>
constexpr Int byte_swapped(Int value) noexcept {
  using bits = std::make_unsigned_t<Int>;
  if constexpr (sizeof(Int) == 1) {
    return value;
  } else if constexpr (sizeof(Int) == 2) {
    return static_cast<Int>(__builtin_bswap16(static_cast<bits>(value)));
  } else if constexpr (sizeof(Int) == 4) {
    return static_cast<Int>(__builtin_bswap32(static_cast<bits>(value)));
  } else {
    return static_cast<Int>(__builtin_bswap64(static_cast<bits>(value)));
  }
}

// Network order to ours and back; both of the machines that Lido supports are little-endian, others compile too.
template <std::integral Int>
constexpr Int big_endian(Int value) noexcept {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return byte_swapped(value);
#else
  return value;
#endif
}

}  // namespace detail

/// Reads one value from front to back. Reading past the end yields zeros and makes `complete()` false, so that a codec
/// may read first and ask once.
class value_reader {
 public:
  value_reader(std::string_view bytes, std::uint32_t type, bool binary) noexcept
      : rest_(bytes), type_(type), binary_(binary) {}

  std::uint32_t type() const noexcept { return type_; }  ///< oid of the column's type
  bool binary() const noexcept { return binary_; }       ///< false: the value is its text form
  std::size_t remaining() const noexcept { return rest_.size(); }
  /// Every byte was read and none beyond the end.
  bool complete() const noexcept { return rest_.empty() && !overrun_; }

  /// An integer in network order.
  template <std::integral Int>
  Int take() noexcept {
    if (rest_.size() < sizeof(Int)) {
      overrun();
      return 0;
    }
    Int value;
    std::memcpy(&value, rest_.data(), sizeof(Int));
    rest_.remove_prefix(sizeof(Int));
    return detail::big_endian(value);
  }

  /// A view of the next `count` bytes; valid as long as the result.
  std::string_view take_bytes(std::size_t count) noexcept {
    if (rest_.size() < count) {
      overrun();
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view take_all() noexcept { return take_bytes(rest_.size()); }

 private:
  void overrun() noexcept {
    overrun_ = true;
    rest_ = {};
  }

  std::string_view rest_;
  std::uint32_t type_;
  bool binary_;
  bool overrun_ = false;
};

/// Appends one value. Writing beyond what a message may hold makes `ok()` false and writes nothing more.
class value_writer {
 public:
  explicit value_writer(std::string& out, detail::type_uses* uses = nullptr) noexcept : out_(out), uses_(uses) {}

  bool ok() const noexcept { return ok_; }

  template <std::integral Int>
  void put(Int value) {
    const Int wire = detail::big_endian(value);
    char bytes[sizeof(Int)];
    std::memcpy(bytes, &wire, sizeof(Int));
    put_bytes({bytes, sizeof(Int)});
  }

  void put_bytes(std::string_view bytes) {
    // Asked before anything is copied: a 4 GiB argument must not be doubled in memory only to be refused.
    if (bytes.size() > detail::max_request_bytes - out_.size()) {
      ok_ = false;
    } else if (ok_) {
      out_.append(bytes);
    }
  }

  /// A value within this one, for arrays and the like: its length, then the value. NULL is put_null() alone.
  std::size_t begin_item() {
    put(std::int32_t{0});
    return out_.size();
  }
  void end_item(std::size_t begin) {
    if (!ok_) return;
    const auto length = detail::big_endian(static_cast<std::int32_t>(out_.size() - begin));
    std::memcpy(out_.data() + begin - sizeof length, &length, sizeof length);
  }
  void put_null() { put(std::int32_t{-1}); }

  /// The number of a type, now or, of a named one, once it is known. Fails where nobody looks names up.
  void put_type(const detail::type_ref& type) {
    if (type.named()) {
      detail::type_use use;
      use.what = type;
      return put_type(use);
    }
    put(type.oid);
  }
  void put_type(detail::type_use use) {
    if (uses_ == nullptr) ok_ = false;
    if (!ok_) return;
    use.where = out_.size();
    put(std::uint32_t{0});
    uses_->push_back(use);
  }

 private:
  std::string& out_;  // never above max_request_bytes
  detail::type_uses* uses_;
  bool ok_ = true;
};

}  // namespace v0
}  // namespace lido
