// The binary form of COPY, sans-io: signature, tuples, trailer. A tuple is laid out as the body of a DataRow.
#include "driver/wire/byte_order.hpp"

#include <lido/driver/detail/copy_rows.hpp>
#include <lido/driver/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

namespace {

constexpr std::string_view signature{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};  // no flags, no extension
constexpr std::size_t signature_text = 11;
constexpr std::size_t fixed_header = 19;
constexpr std::size_t longest_reason = 1000;
constexpr std::size_t largest_tuple = 0x3fffffff;  // the server's MaxAllocSize

[[noreturn]] void refuse(const char* what) { throw_error(errc::value_out_of_range, what); }

// Bytes of the tuple in front, count included; 0: more are needed.
std::size_t tuple_size(std::string_view bytes, std::size_t columns) {
  std::size_t at = 2;
  for (std::size_t i = 0; i < columns; ++i) {
    if (bytes.size() - at < 4) return 0;
    const std::uint32_t length = wire::load_u32(bytes.data() + at);
    at += 4;
    if (length == UINT32_MAX) continue;  // NULL
    if (length > largest_tuple) refuse("a field of a binary COPY has a length that no value has");
    if (bytes.size() - at < length) return 0;
    at += length;
  }
  return at;
}

}  // namespace

void copy_buffer::begin() {
  bytes_.reserve(capacity);
  bytes_.assign("d\0\0\0\0", header);
}

std::string copy_buffer::take() {
  if (bytes_.size() <= header) return {};
  taken_ += bytes_.size() - header;
  wire::store_u32(bytes_.data() + 1, static_cast<std::uint32_t>(bytes_.size() - 1));
  return std::exchange(bytes_, {});
}

void copy_buffer::give_back(std::string used) noexcept {
  if (!bytes_.empty() || used.capacity() > 2 * capacity) return;
  bytes_ = std::move(used);
  bytes_.clear();
}

std::string_view copy_signature() noexcept { return signature; }
std::string_view copy_trailer() noexcept { return {"\xff\xff", 2}; }

std::string copy_fail_reason(std::string_view reason) {
  reason = reason.substr(0, std::min(reason.find('\0'), longest_reason));
  return std::string(reason);
}

void check_copy(copy_format format, std::size_t parts) {
  if (!format.binary) throw_error(errc::copy_unexpected, "typed rows need COPY ... (FORMAT binary)");
  if (format.columns != parts) {
    throw_error(errc::column_mismatch, "the COPY has " + std::to_string(format.columns) +
                                           " columns, the row type has " + std::to_string(parts) + " parts");
  }
}

void throw_not_encodable(std::size_t part, std::string_view cpp_type) {
  throw_error(errc::not_encodable,
              "part " + std::to_string(part + 1) + " of " + std::string(cpp_type) + " has a value that cannot be sent");
}

std::string& tuple_source::refill() {
  bytes_.erase(0, at_);
  at_ = 0;
  return bytes_;
}

bool tuple_source::skip_signature() {
  const std::string_view bytes = bytes_;
  const std::size_t seen = std::min(bytes.size(), signature_text);
  if (bytes.substr(0, seen) != signature.substr(0, seen)) refuse("these bytes do not begin as a binary COPY does");
  if (bytes.size() < fixed_header) return false;
  const std::uint32_t flags = wire::load_u32(bytes.data() + signature_text);
  const std::uint32_t extension = wire::load_u32(bytes.data() + signature_text + 4);
  if ((flags >> 16U) != 0) refuse("a binary COPY of a kind that is not known");  // with oids, for one
  if (extension > largest_tuple) refuse("a binary COPY whose header has no end");
  if (bytes.size() - fixed_header < extension) return false;
  at_ = fixed_header + extension;
  begun_ = true;
  return true;
}

std::string_view tuple_source::next(std::size_t columns) {
  if (!begun_ && !skip_signature()) return {};
  const std::string_view rest = std::string_view{bytes_}.substr(at_);
  if (ended_) {
    if (!rest.empty()) refuse("bytes behind the end of a binary COPY");
    return {};
  }
  if (rest.size() < 2) return {};
  const std::size_t count = wire::load_u16(rest.data());
  if (count == 0xffff) {
    ended_ = true;
    at_ += 2;
    return next(columns);
  }
  if (count != columns) refuse("a row of a binary COPY has another number of fields than it should");
  const std::size_t size = tuple_size(rest, columns);
  if (size == 0 && rest.size() > largest_tuple) refuse("a row of a binary COPY that has no end");
  at_ += size;
  return rest.substr(0, size);
}

void tuple_source::end() const {
  if (!ended_) refuse("a binary COPY ended in the middle");
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
