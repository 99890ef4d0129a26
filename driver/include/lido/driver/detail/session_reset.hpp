// What it takes to make a session as it was before its last user (contract I14).
#pragma once

#include <cstdint>

namespace lido {
inline namespace v0 {
namespace detail {

enum class session_reset : std::uint8_t {
  none,         // nothing to undo: no round trip
  exact,        // the statements that undo just what was seen
  discard_all,  // DISCARD ALL: by choice, or because nobody knows what was done
  impossible,   // nothing undoes it but the end of the session
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
