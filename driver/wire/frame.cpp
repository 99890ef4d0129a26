#include "driver/wire/frame.hpp"

#include <lido/driver/error.hpp>

#include <array>

namespace lido::wire {
namespace {

// B19, B41: before AuthenticationOk the peer may be anybody; N, S and the rest have no business there.
constexpr length_class before_authentication(char type) noexcept {
  switch (type) {
    case 'R':
    case 'v': return length_class::authentication;
    case 'E': return length_class::early_error;
    default: return length_class::refused;
  }
}

constexpr length_class during_startup(char type) noexcept {
  switch (type) {
    case 'S':
    case 'K':
    case 'Z': return length_class::brief;
    case 'E':
    case 'N':
    case 'A': return length_class::large;
    default: return length_class::refused;
  }
}

// FunctionCallResponse (B78), CopyBothResponse (B81), and what belongs to start-up (B43, B102) are refused with the
// unknown types (B58).
constexpr length_class when_ready(char type) noexcept {
  switch (type) {
    case 'D':
    case 'd':
    case 'T':
    case 't':  // 65,535 parameters are longer than the 30,000 bytes of the brief ones (C36)
    case 'E':
    case 'N':
    case 'A': return length_class::large;
    case 'C':
    case 'Z':
    case 'S':
    case 'I':
    case '1':
    case '2':
    case '3':
    case 'n':
    case 's':
    case 'G':
    case 'H':
    case 'c': return length_class::brief;
    default: return length_class::refused;
  }
}

constexpr length_class class_of(char type, phase in) noexcept {
  switch (in) {
    case phase::authentication: return before_authentication(type);
    case phase::startup: return during_startup(type);
    case phase::ready: return when_ready(type);
  }
  return length_class::refused;
}

constexpr auto build_classes() noexcept {
  std::array<std::array<length_class, 256>, 3> table{};
  for (std::size_t in = 0; in < table.size(); ++in) {
    for (std::size_t type = 0; type < 256; ++type)
      table[in][type] = class_of(static_cast<char>(type), static_cast<phase>(in));
  }
  return table;
}

}  // namespace

constinit const std::array<std::array<length_class, 256>, 3> length_classes = build_classes();

errc header_error(length_class kind, std::size_t length) noexcept {
  const bool only_too_large = kind == length_class::large && length >= 4 && length <= INT32_MAX;
  return only_too_large ? errc::message_too_large : errc::protocol_error;
}

}  // namespace lido::wire
