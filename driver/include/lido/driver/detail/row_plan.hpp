// How each row of a result becomes a T: decided once per result from its columns, then followed row by row without a
// look at names or types.
//   lido::row            the view itself
//   a scalar             results of one column
//   std::tuple<...>      columns by position
//   a plain struct       columns by name; a field `class_` also takes a column "class"
#pragma once

#include <lido/driver/detail/decode.hpp>
#include <lido/driver/detail/reflect.hpp>
#include <lido/driver/row.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;

template <class T>
inline constexpr bool is_tuple_of_decodable = false;
template <class... T>
inline constexpr bool is_tuple_of_decodable<std::tuple<T...>> = sizeof...(T) > 0 && (decodable<T> && ...);

template <class T>
inline constexpr bool is_struct_of_decodable = false;
template <class... Field>
inline constexpr bool is_struct_of_decodable<std::tuple<Field*...>> = (decodable<Field> && ...);

template <class T>
concept row_struct = !decodable<T> && !is_tuple<T> && reflectable<T> && std::default_initializable<T>;

// How one column is read into a T: chosen once per result, followed for each row.
template <class T>
using column_decoder = decode_status (*)(cell from, const column& col, T& out);

// One part of a row type: what it reads, and how; `direct` where the column is exactly what the part is.
template <class T>
struct part_step {
  std::string_view cpp_type;
  bool (*reads)(std::uint32_t type, bool binary);
  bool (*is_direct)(const column& col) noexcept;
  column_decoder<T> decode;
  column_decoder<T> direct;
};

std::error_code report_count(const row_description& columns, std::size_t wanted, lazy_diagnostics& diag);
std::error_code report_type(const row_description& columns, std::size_t index, std::string_view cpp_type,
                            lazy_diagnostics& diag);
inline std::error_code check_column_count(const row_description& columns, std::size_t wanted, lazy_diagnostics& diag) {
  if (columns.size() == wanted) [[likely]]
    return {};
  return report_count(columns, wanted, diag);
}
inline std::error_code check_column_type(const row_description& columns, std::size_t index, std::string_view cpp_type,
                                         bool readable, lazy_diagnostics& diag) {
  if (readable) [[likely]]
    return {};
  return report_type(columns, index, cpp_type, diag);
}
std::error_code match_fields(const row_description& columns, const std::string_view* fields, std::size_t count,
                             std::size_t* column_to_field, lazy_diagnostics& diag);

// A part of a row that is read from a type known by name; without a name: from any that its codec takes.
struct column_claim {
  type_ref type;
  std::string_view cpp_type;
};
template <class T>
constexpr column_claim claim_of() noexcept {
  return {named_type_of<without_optional_t<T>>(), cpp_name<T>()};
}

template <class T>
class row_plan;

template <>
class row_plan<row> {
 public:
  static constexpr std::array<column_claim, 0> claims{};
  std::error_code bind(const row_description& /*columns*/, lazy_diagnostics& /*diag*/) noexcept { return {}; }
  row read(const row_description& columns, std::string_view body) const noexcept { return {columns, body}; }
};

template <decodable T>
class row_plan<T> {
 public:
  static constexpr std::array<column_claim, 1> claims{claim_of<T>()};
  const column_claim& claim(std::size_t /*column*/) const noexcept { return claims[0]; }

  std::error_code bind(const row_description& columns, lazy_diagnostics& diag) {
    if (auto ec = check_column_count(columns, 1, diag)) return ec;
    const bool readable = reads<without_optional_t<T>>(columns[0].type_oid, columns[0].binary);
    return check_column_type(columns, 0, cpp_name<T>(), readable, diag);
  }
  T read(const row_description& columns, std::string_view body) const {
    T out{};
    cell_walker walker(body);
    cell only;
    decode_status status = decode_status::malformed;
    if (walker.next(only)) status = decode_cell(only, columns[0], out);
    if (status != decode_status::ok) [[unlikely]]
      throw_decode_error(status, columns[0], 0, cpp_name<T>());
    return out;
  }
};

// Structs and tuples: a column each for every part. `Shape` says how many parts T has, of which types, where each is,
// and which column is whose.
template <class T, class Shape>
class columns_plan {
  static constexpr std::size_t count = Shape::count;
  using all_parts = std::make_index_sequence<count>;
  template <std::size_t... I>
  static constexpr auto make_claims(std::index_sequence<I...> /*all*/) noexcept {
    return std::array<column_claim, count>{claim_of<typename Shape::template type<I>>()...};
  }

 public:
  static constexpr std::array<column_claim, count> claims = make_claims(all_parts{});
  const column_claim& claim(std::size_t column) const noexcept { return claims[part_of_[column]]; }

  std::error_code bind(const row_description& columns, lazy_diagnostics& diag) {
    if (auto ec = Shape::match(columns, part_of_.data(), diag)) return ec;
    straight_ = true;
    for (std::size_t i = 0; i < count; ++i) {
      const part_step<T>& step = steps[part_of_[i]];
      const bool readable = step.reads(columns[i].type_oid, columns[i].binary);
      if (auto ec = check_column_type(columns, i, step.cpp_type, readable, diag)) return ec;
      const bool direct = step.is_direct(columns[i]);
      decoders_[i] = direct ? step.direct : step.decode;
      straight_ = straight_ && part_of_[i] == i && (direct || step.direct == nullptr);
    }
    return {};
  }

  T read(const row_description& columns, std::string_view body) const {
    if (straight_) [[likely]] {
      T out{};
      if (read_straight(columns, body, out, all_parts{})) [[likely]]
        return out;
    }
    return read_by_column(columns, body);
  }

 private:
  // All parts in the columns' order, without a call for each.
  template <std::size_t... I>
  static bool read_straight(const row_description& columns, std::string_view body, T& out,
                            std::index_sequence<I...> /*all*/) {
    cell_walker walker(body);
    const column* const cols = columns.data();
    return (take_straight(walker, cols[I], Shape::template part<I>(out)) && ...);
  }

  // Any order and any way of reading; the one that knows what is wrong with a row.
  [[gnu::noinline]] T read_by_column(const row_description& columns, std::string_view body) const {
    T out{};
    cell_walker walker(body);
    cell current;
    const column* col = columns.data();
    for (const column_decoder<T> decode : decoders_) {
      decode_status status = decode_status::malformed;
      if (walker.next(current)) [[likely]]
        status = decode(current, *col, out);
      if (status != decode_status::ok) [[unlikely]]
        fail(status, columns, static_cast<std::size_t>(col - columns.data()));
      ++col;
    }
    return out;
  }

  template <std::size_t I>
  static decode_status decode_part(cell from, const column& col, T& out) {
    return decode_cell(from, col, Shape::template part<I>(out));
  }
  template <std::size_t I>
  static decode_status decode_part_direct(cell from, const column& col, T& out) {
    return decode_direct(from, col, Shape::template part<I>(out));
  }
  [[noreturn]] void fail(decode_status status, const row_description& columns, std::size_t index) const {
    throw_decode_error(status, columns[index], index, steps[part_of_[index]].cpp_type);
  }

  template <std::size_t I>
  static constexpr part_step<T> make_step() noexcept {
    using type = typename Shape::template type<I>;
    using value = without_optional_t<type>;
    part_step<T> step{cpp_name<type>(), &detail::reads<value>, &detail::is_direct<value>, &decode_part<I>, nullptr};
    if constexpr (has_direct<value>) step.direct = &decode_part_direct<I>;
    return step;
  }
  template <std::size_t... I>
  static constexpr auto make_steps(std::index_sequence<I...> /*all*/) noexcept {
    return std::array<part_step<T>, count>{make_step<I>()...};
  }

  static constexpr std::array<part_step<T>, count> steps = make_steps(all_parts{});
  std::array<column_decoder<T>, count> decoders_{};  // by column
  std::array<std::size_t, count> part_of_{};         // by column
  bool straight_ = false;
};

template <class Tuple>
struct tuple_shape {
  static constexpr std::size_t count = std::tuple_size_v<Tuple>;
  template <std::size_t I>
  using type = std::tuple_element_t<I, Tuple>;
  template <std::size_t I>
  static auto& part(Tuple& out) noexcept {
    return std::get<I>(out);
  }
  static std::error_code match(const row_description& columns, std::size_t* part_of, lazy_diagnostics& diag) {
    for (std::size_t i = 0; i < count; ++i) part_of[i] = i;
    return check_column_count(columns, count, diag);
  }
};

template <class T>
struct struct_shape {
  static_assert(is_struct_of_decodable<field_types_of<T>>,
                "lido: a field of this struct has a type that no column can be read as");
  static constexpr std::size_t count = count_fields<T>();
  template <std::size_t I>
  using type = std::remove_pointer_t<std::tuple_element_t<I, field_types_of<T>>>;
  template <std::size_t I>
  static auto& part(T& out) noexcept {
    return *std::get<I>(field_pointers(out));
  }
  static std::error_code match(const row_description& columns, std::size_t* part_of, lazy_diagnostics& diag) {
    return match_fields(columns, field_names_of<T>.data(), count, part_of, diag);
  }
};

template <class... Element>
  requires(is_tuple_of_decodable<std::tuple<Element...>>)
class row_plan<std::tuple<Element...>>
    : public columns_plan<std::tuple<Element...>, tuple_shape<std::tuple<Element...>>> {};

template <row_struct T>
class row_plan<T> : public columns_plan<T, struct_shape<T>> {};

// Whether a row has a part that is read from a type known by name.
template <class Row>
inline constexpr bool reads_names = [] {
  for (const column_claim& each : row_plan<Row>::claims) {
    if (each.type.named()) return true;
  }
  return false;
}();

}  // namespace detail

/// What async_query<T> may bring rows as.
template <class T>
concept row_type = std::same_as<T, row> || decodable<T> || detail::is_tuple_of_decodable<T> || detail::row_struct<T>;

}  // namespace v0
}  // namespace lido
