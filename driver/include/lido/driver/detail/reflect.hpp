// What a plain struct is made of, without a macro: how many fields, where they are, what they are called. Only
// aggregates without base classes, arrays and references; at most 32 fields. C++20 has structured bindings for the
// first two; the name is read from what the compiler calls a template that is instantiated with the field's address
// (tests pin this for both compilers).
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

inline constexpr std::size_t max_fields = 32;

// Converts to whatever a field is. Not to const char* and nullptr_t, which would make a string's initialisation
// ambiguous.
struct any_field {
  template <class T>
    requires(!std::is_same_v<T, const char*> && !std::is_same_v<T, std::nullptr_t>)
  operator T() const noexcept;  // NOLINT(google-explicit-constructor): it is the point, and never called
};

template <class T, class... Fields>
consteval std::size_t count_fields() {
  if constexpr (sizeof...(Fields) <= max_fields && requires { T{Fields{}..., any_field{}}; }) {
    return count_fields<T, Fields..., any_field>();
  } else {
    return sizeof...(Fields);
  }
}

template <class T>
concept reflectable =
    std::is_aggregate_v<T> && std::is_class_v<T> && !std::is_empty_v<T> && count_fields<T>() <= max_fields;

/// Pointers to all fields of `object`, in order.
// clang-format off
template <class T>
constexpr auto field_pointers(T& object) noexcept {
  constexpr std::size_t count = count_fields<std::remove_const_t<T>>();
  static_assert(count >= 1 && count <= max_fields, "lido: a row's struct has 1 to 32 fields");
  if constexpr (count == 1) {
    auto& [f1] = object;
    return std::tuple{&f1};
  } else if constexpr (count == 2) {
    auto& [f1, f2] = object;
    return std::tuple{&f1, &f2};
  } else if constexpr (count == 3) {
    auto& [f1, f2, f3] = object;
    return std::tuple{&f1, &f2, &f3};
  } else if constexpr (count == 4) {
    auto& [f1, f2, f3, f4] = object;
    return std::tuple{&f1, &f2, &f3, &f4};
  } else if constexpr (count == 5) {
    auto& [f1, f2, f3, f4, f5] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5};
  } else if constexpr (count == 6) {
    auto& [f1, f2, f3, f4, f5, f6] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6};
  } else if constexpr (count == 7) {
    auto& [f1, f2, f3, f4, f5, f6, f7] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7};
  } else if constexpr (count == 8) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8};
  } else if constexpr (count == 9) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9};
  } else if constexpr (count == 10) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10};
  } else if constexpr (count == 11) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11};
  } else if constexpr (count == 12) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12};
  } else if constexpr (count == 13) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13};
  } else if constexpr (count == 14) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14};
  } else if constexpr (count == 15) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15};
  } else if constexpr (count == 16) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16};
  } else if constexpr (count == 17) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17};
  } else if constexpr (count == 18) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18};
  } else if constexpr (count == 19) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19};
  } else if constexpr (count == 20) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20};
  } else if constexpr (count == 21) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21};
  } else if constexpr (count == 22) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21,
        f22] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22};
  } else if constexpr (count == 23) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22,
        f23] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22, &f23};
  } else if constexpr (count == 24) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23,
        f24] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22, &f23, &f24};
  } else if constexpr (count == 25) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23,
        f24, f25] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22, &f23, &f24, &f25};
  } else if constexpr (count == 26) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23,
        f24, f25, f26] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22, &f23, &f24, &f25, &f26};
  } else if constexpr (count == 27) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23,
        f24, f25, f26, f27] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22, &f23, &f24, &f25, &f26, &f27};
  } else if constexpr (count == 28) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23,
        f24, f25, f26, f27, f28] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22, &f23, &f24, &f25, &f26, &f27, &f28};
  } else if constexpr (count == 29) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23,
        f24, f25, f26, f27, f28, f29] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22, &f23, &f24, &f25, &f26, &f27, &f28, &f29};
  } else if constexpr (count == 30) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23,
        f24, f25, f26, f27, f28, f29, f30] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22, &f23, &f24, &f25, &f26, &f27, &f28, &f29, &f30};
  } else if constexpr (count == 31) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23,
        f24, f25, f26, f27, f28, f29, f30, f31] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22, &f23, &f24, &f25, &f26, &f27, &f28, &f29, &f30, &f31};
  } else if constexpr (count == 32) {
    auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23,
        f24, f25, f26, f27, f28, f29, f30, f31, f32] = object;
    return std::tuple{&f1, &f2, &f3, &f4, &f5, &f6, &f7, &f8, &f9, &f10, &f11, &f12, &f13, &f14, &f15, &f16, &f17,
        &f18, &f19, &f20, &f21, &f22, &f23, &f24, &f25, &f26, &f27, &f28, &f29, &f30, &f31, &f32};
  }
}
// clang-format on

// An object that is never made: only the addresses of its fields are looked at, at compile time.
template <class T>
union phantom {
  constexpr phantom() noexcept : nothing() {}
  constexpr ~phantom() {}  // NOLINT(modernize-use-equals-default): a union's would be deleted
  char nothing;
  T object;
};
template <class T>
inline constexpr phantom<T> phantom_of{};

template <class Pointer>
struct field_address {
  Pointer pointer;
};
template <class Pointer>
field_address(Pointer) -> field_address<Pointer>;

// "... [with auto Address = field_address<const int*>{(& phantom_of<user>.phantom<user>::object.user::id)}]" (g++)
// "... [Address = field_address<const int *>{&phantom_of.object.id}]" (clang)
template <auto Address>
consteval auto field_name() {  // auto: g++ explains a named return type behind the bracket
  constexpr std::string_view identifier = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$";
  std::string_view text = __PRETTY_FUNCTION__;
  text = text.substr(0, text.find_last_of(identifier) + 1);
  return text.substr(text.find_last_not_of(identifier) + 1);
}

template <class T, std::size_t... I>
consteval auto field_names(std::index_sequence<I...> /*fields*/) {
  return std::array<std::string_view, sizeof...(I)>{
      field_name<field_address{std::get<I>(field_pointers(phantom_of<T>.object))}>()...};
}
/// Names of the fields of T, in order.
template <class T>
inline constexpr auto field_names_of = field_names<T>(std::make_index_sequence<count_fields<T>()>{});

template <class T>
using field_types_of = decltype(field_pointers(std::declval<T&>()));

}  // namespace detail
}  // namespace v0
}  // namespace lido
