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

// One field of a row type: what it reads, and how. Chosen by the compiler; the plan only orders them.
template <class T>
struct field_step {
  std::string_view field;
  std::string_view cpp_type;
  bool (*reads)(std::uint32_t type, bool binary);
  decode_status (*decode)(const cell& from, const column& col, T& out);
};

std::error_code check_column_count(const row_description& columns, std::size_t wanted, diagnostics& diag);
std::error_code check_column_type(const row_description& columns, std::size_t index, std::string_view cpp_type,
                                  bool readable, diagnostics& diag);
std::error_code match_fields(const row_description& columns, const std::string_view* fields, std::size_t count,
                             std::size_t* column_to_field, diagnostics& diag);

template <class T, class Steps>
T follow(const Steps& steps, const row_description& columns, std::string_view body) {
  T out{};
  cell_walker walker(body);
  cell current;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& step = *steps[i];
    decode_status status = decode_status::malformed;
    if (walker.next(current)) status = step.decode(current, columns[i], out);
    if (status != decode_status::ok) [[unlikely]]
      throw_decode_error(status, columns[i], i, step.cpp_type);
  }
  return out;
}

template <class T>
class row_plan;

template <>
class row_plan<row> {
 public:
  std::error_code bind(const row_description& /*columns*/, diagnostics& /*diag*/) noexcept { return {}; }
  row read(const row_description& columns, std::string_view body) const noexcept { return {columns, body}; }
};

template <decodable T>
class row_plan<T> {
 public:
  std::error_code bind(const row_description& columns, diagnostics& diag) {
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

template <class... Element>
  requires(is_tuple_of_decodable<std::tuple<Element...>>)
class row_plan<std::tuple<Element...>> {
 public:
  std::error_code bind(const row_description& columns, diagnostics& diag) {
    if (auto ec = check_column_count(columns, sizeof...(Element), diag)) return ec;
    return check_types(columns, diag, std::index_sequence_for<Element...>{});
  }
  std::tuple<Element...> read(const row_description& columns, std::string_view body) const {
    std::tuple<Element...> out{};
    cell_walker walker(body);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (read_element<I>(walker, columns[I], std::get<I>(out)), ...);
    }(std::index_sequence_for<Element...>{});
    return out;
  }

 private:
  template <std::size_t... I>
  static std::error_code check_types(const row_description& columns, diagnostics& diag,
                                     std::index_sequence<I...> /*all*/) {
    std::error_code ec;
    // Stops at the first column that does not fit.
    (void)((!(ec = check_column_type(columns, I, cpp_name<Element>(),
                                     detail::reads<without_optional_t<Element>>(columns[I].type_oid, columns[I].binary),
                                     diag))) &&
           ...);
    return ec;
  }
  template <std::size_t I, class T>
  static void read_element(cell_walker& walker, const column& col, T& out) {
    cell current;
    decode_status status = decode_status::malformed;
    if (walker.next(current)) status = decode_cell(current, col, out);
    if (status != decode_status::ok) [[unlikely]]
      throw_decode_error(status, col, I, cpp_name<T>());
  }
};

template <row_struct T>
class row_plan<T> {
  static_assert(is_struct_of_decodable<field_types_of<T>>,
                "lido: a field of this struct has a type that no column can be read as");
  static constexpr std::size_t count = count_fields<T>();

 public:
  std::error_code bind(const row_description& columns, diagnostics& diag) {
    std::array<std::size_t, count> field_of{};
    if (auto ec = match_fields(columns, field_names_of<T>.data(), count, field_of.data(), diag)) return ec;
    for (std::size_t i = 0; i < count; ++i) {
      const field_step<T>& step = all_steps[field_of[i]];
      if (auto ec =
              check_column_type(columns, i, step.cpp_type, step.reads(columns[i].type_oid, columns[i].binary), diag))
        return ec;
      steps_[i] = &step;
    }
    return {};
  }
  T read(const row_description& columns, std::string_view body) const { return follow<T>(steps_, columns, body); }

 private:
  template <std::size_t I>
  using field_type = std::remove_pointer_t<std::tuple_element_t<I, field_types_of<T>>>;

  template <std::size_t I>
  static decode_status decode_field(const cell& from, const column& col, T& out) {
    return decode_cell(from, col, *std::get<I>(field_pointers(out)));
  }

  template <std::size_t... I>
  static constexpr auto make_steps(std::index_sequence<I...> /*all*/) noexcept {
    return std::array<field_step<T>, count>{field_step<T>{field_names_of<T>[I], cpp_name<field_type<I>>(),
                                                          &detail::reads<without_optional_t<field_type<I>>>,
                                                          &decode_field<I>}...};
  }

  static constexpr std::array<field_step<T>, count> all_steps = make_steps(std::make_index_sequence<count>{});
  std::array<const field_step<T>*, count> steps_{};  // by column
};

}  // namespace detail

/// What async_query<T> may bring rows as.
template <class T>
concept row_type = std::same_as<T, row> || decodable<T> || detail::is_tuple_of_decodable<T> || detail::row_struct<T>;

}  // namespace v0
}  // namespace lido
