#include "driver/wire/backend.hpp"

#include <lido/driver/result.hpp>

namespace lido {
inline namespace v0 {
namespace detail {

std::uint64_t affected_rows(std::string_view tag) noexcept { return wire::affected_rows(tag).value_or(0); }

std::string count_problem(std::size_t rows) {
  return "the result has " + std::to_string(rows) + (rows == 1 ? " row" : " rows");
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
