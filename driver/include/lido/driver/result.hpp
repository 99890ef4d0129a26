// What a query brought back. Owns its bytes; rows are decoded when they are looked at, straight from the wire's format
// into T:
//
//   for (const user& u : co_await db->async_query<user>("select id, name from users")) use(u);       // a plain struct,
//   columns by name std::int64_t n = (co_await db->async_query<std::int64_t>("select count(*) from users")).one(); for
//   (auto [id, name] : co_await db->async_query<std::tuple<int, std::string>>("select id, name from users")) use(id,
//   name); for (lido::row r : co_await db->async_query("select * from users")) use(r.get<int>("id"));
//
// That the columns fit T is checked once, when the result arrives. std::string_view and std::span<const std::byte> are
// views into the result: they live until it is moved or destroyed.
#pragma once

#include <lido/driver/detail/raw_result.hpp>
#include <lido/driver/detail/row_plan.hpp>
#include <lido/driver/error.hpp>
#include <lido/driver/row.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

std::uint64_t affected_rows(std::string_view tag) noexcept;
std::string count_problem(std::size_t rows);

}  // namespace detail

template <row_type T = row>
class result {
 public:
  class iterator;
  using value_type = T;
  using const_iterator = iterator;

  result() = default;
  explicit result(detail::recycled_ptr<detail::raw_result> raw) noexcept : raw_(std::move(raw)) {}
  explicit result(detail::raw_result raw) : raw_(detail::make_recycled<detail::raw_result>(std::move(raw))) {}

  /// Checks the columns against T; the driver calls it before anybody sees the result. After an error there are no
  /// rows.
  std::error_code bind(detail::lazy_diagnostics& diag) {
    static const detail::row_description no_columns;
    const auto ec = plan_.bind(has_columns() ? *raw_->columns : no_columns, diag);
    bound_ = !ec;
    return ec;
  }

  std::size_t size() const noexcept { return bound_ && has_columns() ? raw_->row_count() : 0; }
  bool empty() const noexcept { return size() == 0; }

  iterator begin() const noexcept { return iterator(this, 0); }
  iterator end() const noexcept { return iterator(this, size()); }

  /// Decodes one row. Throws lido::error: unexpected_null, value_out_of_range; no_row when there are not so many.
  T operator[](std::size_t index) const {
    if (index >= size()) [[unlikely]]
      detail::throw_error(errc::no_row, detail::count_problem(size()));
    return plan_.read(*raw_->columns, raw_->row(index));
  }
  /// The only row; errc::no_row when there is none or there are more.
  [[gnu::hot]] T one() const {
    if (size() != 1) [[unlikely]]
      detail::throw_error(errc::no_row, detail::count_problem(size()));
    return plan_.read(*raw_->columns, raw_->row(0));
  }
  /// The only row, if there is one; errc::no_row when there are more.
  std::optional<T> optional() const {
    if (empty()) return std::nullopt;
    return one();
  }

  /// Of INSERT, UPDATE, DELETE, MERGE, COPY; the number of rows of a SELECT; 0 for other commands.
  std::uint64_t affected_rows() const noexcept { return detail::affected_rows(command_tag()); }
  /// As the server sent it: "UPDATE 3".
  std::string_view command_tag() const noexcept { return raw_ ? std::string_view(raw_->tag) : std::string_view(); }
  std::span<const column> columns() const noexcept {
    return has_columns() ? std::span<const column>(*raw_->columns) : std::span<const column>();
  }

  /// For the driver.
  const detail::recycled_ptr<detail::raw_result>& raw() const noexcept { return raw_; }
  const detail::row_plan<T>& plan() const noexcept { return plan_; }

 private:
  bool has_columns() const noexcept { return raw_ && raw_->columns; }

  detail::recycled_ptr<detail::raw_result> raw_;
  [[no_unique_address]] detail::row_plan<T> plan_;
  bool bound_ = false;
};

/// Decodes at each dereference, into a new T.
template <row_type T>
class result<T>::iterator {
 public:
  using iterator_category = std::input_iterator_tag;  // dereferencing gives a value
  using iterator_concept = std::forward_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using reference = T;
  using pointer = void;

  iterator() = default;
  T operator*() const { return (*result_)[index_]; }
  iterator& operator++() noexcept {
    ++index_;
    return *this;
  }
  iterator operator++(int) noexcept {
    iterator old = *this;
    ++index_;
    return old;
  }
  friend bool operator==(const iterator&, const iterator&) = default;

 private:
  friend class result;
  iterator(const result* of, std::size_t index) noexcept : result_(of), index_(index) {}

  const result* result_ = nullptr;
  std::size_t index_ = 0;
};

}  // namespace v0
}  // namespace lido
