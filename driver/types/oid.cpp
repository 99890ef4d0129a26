#include <lido/driver/detail/builtin_types.hpp>
#include <lido/driver/oid.hpp>

#include <algorithm>

namespace lido {
inline namespace v0 {
namespace detail {

static_assert(std::ranges::is_sorted(builtin_types, {}, &builtin_type::type));

std::uint32_t element_of(std::uint32_t array) noexcept {
  constexpr std::uint32_t int2vector = 22;
  constexpr std::uint32_t oidvector = 30;
  if (array == 0) return 0;
  if (array == int2vector) return oid::int2;
  if (array == oidvector) return oid::object_id;
  const auto found = std::ranges::find(builtin_types, array, &builtin_type::array);
  return found == builtin_types.end() ? 0 : found->type;
}

}  // namespace detail

std::string type_name(std::uint32_t type) {
  const auto found = std::ranges::lower_bound(detail::builtin_types, type, {}, &detail::builtin_type::type);
  if (found != detail::builtin_types.end() && found->type == type) return std::string(found->name);
  if (type != 0) {
    const auto of = std::ranges::find(detail::builtin_types, type, &detail::builtin_type::array);
    if (of != detail::builtin_types.end()) return std::string(of->name) + "[]";
  }
  return "type " + std::to_string(type);
}

}  // namespace v0
}  // namespace lido
