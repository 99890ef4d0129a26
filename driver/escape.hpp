// Text of a server's for a person's eyes: hostile until shown otherwise (reliability C44, S15).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lido {
inline namespace v0 {
namespace detail {

// Strictly, as the server judges it: no overlong forms, no surrogates, nothing above U+10FFFF. NUL is.
bool is_utf8(std::string_view text) noexcept;

// At most `cap` bytes of `text`, then "..."; a character is not cut. Written as \xHH: control characters (C0, DEL, C1),
// what turns the direction of writing or ends a line elsewhere, and every byte that is no UTF-8.
void append_escaped(std::string& out, std::string_view text, std::size_t cap);

}  // namespace detail
}  // namespace v0
}  // namespace lido
