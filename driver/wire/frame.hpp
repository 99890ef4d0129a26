// Frames: type byte, int32 length that counts itself, body. Reads in place; nothing is copied or allocated here.
#pragma once

#include "driver/wire/byte_order.hpp"
#include "driver/wire/limits.hpp"

#include <lido/driver/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lido::wire {

struct frame {
  char type = 0;
  std::string_view body;  // into the buffer that was given
};

enum class phase {
  authentication,
  startup,
  ready
};  // before AuthenticationOk; up to the first ReadyForQuery; after it

enum class frame_status { incomplete, complete, violation };

struct frame_result {
  frame_status status = frame_status::incomplete;
  frame value;
  std::size_t size =
      0;         // complete: bytes of the whole frame; incomplete: bytes wanted in all (5 while the header is cut)
  errc error{};  // violation: protocol_error or message_too_large
};

inline constexpr std::size_t header_size = 5;

// How long a message of a type may be, by its length field.
enum class length_class : std::uint8_t { refused, authentication, early_error, brief, large };

struct length_range {
  std::size_t least;  // the length counts itself (B54)
  std::size_t most;
};

// By phase and type byte.
extern const std::array<std::array<length_class, 256>, 3> length_classes;
// By class; `large` ends at the knob, if that is less.
inline constexpr std::array<length_range, 5> length_ranges{{{4, 0},
                                                            {8, max_auth_message},
                                                            {8, max_startup_error},
                                                            {4, max_short_message},
                                                            {4, INT32_MAX}}};  // B20, B21, B56, B55

// Why a header is a violation: errc::protocol_error or errc::message_too_large.
errc header_error(length_class kind, std::size_t length) noexcept;

// Looks at the start of `bytes`. Type and length are judged by `phase` and `limits` as soon as the header is there: a
// bad one is a violation even if its body never comes (B19-B21, B54-B58). Inline, so that the result stays in
// registers.
inline frame_result next_frame(std::string_view bytes, phase in, const limits& bounds) noexcept {
  if (bytes.size() < header_size) return {frame_status::incomplete, {}, header_size, {}};
  const std::size_t length = load_u32(bytes.data() + 1);
  const length_class kind = length_classes[static_cast<std::size_t>(in)][static_cast<unsigned char>(bytes[0])];
  const length_range legal = length_ranges[static_cast<std::size_t>(kind)];
  const bool above_knob = kind == length_class::large && length > bounds.max_message_bytes;  // B57
  if (length < legal.least || length > legal.most || above_knob) [[unlikely]] {
    return {frame_status::violation, {}, 0, header_error(kind, length)};
  }
  if (bytes.size() <= length) return {frame_status::incomplete, {}, length + 1, {}};
  return {frame_status::complete, {bytes[0], bytes.substr(header_size, length - 4)}, length + 1, {}};
}

// How long the body of a large message may be.
inline std::size_t most_body(const limits& bounds) noexcept {
  return std::clamp<std::size_t>(bounds.max_message_bytes, 4, INT32_MAX) - 4;
}

// Bytes of the legal and whole frame of this large type in front, once the session is ready; 0 for anything else. For
// loops over many.
inline std::size_t large_frame(char type, std::string_view bytes, std::size_t most_body) noexcept {
  if (bytes.size() < header_size || bytes[0] != type) return 0;
  const std::size_t length = load_u32(bytes.data() + 1);
  return length - 4 <= most_body && length < bytes.size() ? length + 1 : 0;
}

inline std::size_t data_row_frame(std::string_view bytes, std::size_t most_body) noexcept {
  return large_frame('D', bytes, most_body);
}
// Of such a frame.
inline std::string_view body_of(std::string_view bytes, std::size_t size) noexcept {
  return {bytes.data() + header_size, size - header_size};
}

}  // namespace lido::wire
