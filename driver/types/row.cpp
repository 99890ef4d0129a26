#include <lido/driver/row.hpp>

namespace lido {
inline namespace v0 {

std::size_t row::index_of(std::string_view name) const {
  static const detail::row_description none;
  const detail::row_description& columns = columns_ == nullptr ? none : *columns_;
  const auto found = detail::find_column(columns, name);
  if (!found) detail::throw_no_column(columns, name);
  return *found;
}

detail::cell row::cell_at(std::size_t index) const {
  detail::cell_walker walker(body_);
  detail::cell current;
  for (std::size_t i = 0; i <= index; ++i) {
    if (!walker.next(current))
      detail::throw_decode_error(detail::decode_status::malformed, (*columns_)[i], i, "any type");
  }
  return current;
}

}  // namespace v0
}  // namespace lido
