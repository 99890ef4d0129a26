// What may be a temporary in a co_await expression.
#pragma once

#include <type_traits>

namespace lido {
inline namespace v0 {
namespace detail {

// g++ 12 destroys twice any temporary aggregate with a non-trivial member inside a co_await expression; name it first,
// then pass it.
template <class T>
concept await_safe = std::is_lvalue_reference_v<T> || !std::is_aggregate_v<std::remove_cvref_t<T>> ||
                     std::is_trivially_destructible_v<std::remove_cvref_t<T>>;

}  // namespace detail
}  // namespace v0
}  // namespace lido
