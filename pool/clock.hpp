// Now, for the shell of the pool; its core is told the time.
#pragma once

#include "pool/core/types.hpp"

#include <chrono>

namespace lido {
inline namespace v0 {
namespace detail {

inline core::time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

}  // namespace detail
}  // namespace v0
}  // namespace lido
