// One row of a result, looked at by position or name. A view: it lives as long as the result that it came from stays
// where it is.
//
//   for (lido::row r : co_await db->async_query("select id, name from users"))
//     use(r.get<std::int64_t>(0), r.get<std::optional<std::string>>("name"));
#pragma once

#include <lido/driver/codec.hpp>
#include <lido/driver/codec_std.hpp>
#include <lido/driver/detail/decode.hpp>
#include <lido/driver/detail/raw_result.hpp>

#include <cstddef>
#include <string_view>

namespace lido {
inline namespace v0 {

class row {
 public:
  row() = default;
  row(const detail::row_description& columns, std::string_view body) noexcept : columns_(&columns), body_(body) {}

  std::size_t size() const noexcept { return columns_ == nullptr ? 0 : columns_->size(); }

  /// The value of a column. Throws lido::error: type_mismatch, unexpected_null, value_out_of_range, column_mismatch (no
  /// such column).
  template <decodable T>
  T get(std::size_t index) const {
    const column& col = column_at(index);
    if (!detail::reads<detail::without_optional_t<T>>(col.type_oid, col.binary)) {
      detail::throw_error(errc::type_mismatch, detail::describe_mismatch(col, index, detail::cpp_name<T>()));
    }
    T value{};
    const detail::decode_status status = detail::decode_cell(cell_at(index), col, value);
    if (status != detail::decode_status::ok) detail::throw_decode_error(status, col, index, detail::cpp_name<T>());
    return value;
  }
  /// Same by name. A name that two columns have is column_mismatch, too: which one is meant?
  template <decodable T>
  T get(std::string_view name) const {
    return get<T>(index_of(name));
  }

  bool is_null(std::size_t index) const {
    column_at(index);
    return cell_at(index).null();
  }
  bool is_null(std::string_view name) const { return is_null(index_of(name)); }

  const column& column_at(std::size_t index) const {
    if (index >= size()) detail::throw_no_column(size(), index);
    return (*columns_)[index];
  }
  std::size_t index_of(std::string_view name) const;

 private:
  detail::cell cell_at(std::size_t index) const;

  const detail::row_description* columns_ = nullptr;
  std::string_view body_;
};

}  // namespace v0
}  // namespace lido
