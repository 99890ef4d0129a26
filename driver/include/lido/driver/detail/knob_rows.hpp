// Makes the rows of a table of knobs (knobs.hpp), one call a row. A knob is named by the way to its field, through
// nested structs if need be:
//
//   duration<&pool_config::cancel, &pool_config::cancel_config::timeout>("cancel.timeout", a_wait, live, "over ...")
//
// Reading, writing, bounds, the default and what an error says follow from it.
#pragma once

#include <lido/driver/detail/knobs.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace lido {
inline namespace v0 {
namespace detail {

/// Inclusive bounds of a knob; of a duration in nanoseconds.
struct knob_range {
  double least = 0;
  double most = std::numeric_limits<double>::infinity();
};
constexpr knob_range between(std::chrono::nanoseconds least, std::chrono::nanoseconds most) {
  return {static_cast<double>(least.count()), static_cast<double>(most.count())};
}
constexpr knob_range between(double least, double most) { return {least, most}; }
constexpr knob_range at_least(double least) { return {least, std::numeric_limits<double>::infinity()}; }
/// No wait is infinite (contract I5), and none is nothing.
inline constexpr knob_range a_wait = between(std::chrono::nanoseconds(1), std::chrono::hours(24));
/// As a_wait, but 0 switches it off.
inline constexpr knob_range a_wait_or_off = between(std::chrono::nanoseconds(0), std::chrono::hours(24));
inline constexpr knob_range an_age = between(std::chrono::nanoseconds(0), std::chrono::hours(24 * 365));

/// A word of a choice and what it stands for.
template <class Enum>
struct choice_word {
  std::string_view text;
  Enum value;
};

namespace rows {

inline constexpr knob_class live = knob_class::live;
inline constexpr knob_class rolling = knob_class::rolling;
inline constexpr knob_class restart = knob_class::restart;

template <class Pointer>
struct owner_of;
template <class Class, class Member>
struct owner_of<Member Class::*> {
  using type = Class;
};
template <auto... Path>
struct root_of;
template <auto First, auto... Rest>
struct root_of<First, Rest...> : owner_of<std::remove_const_t<decltype(First)>> {};
template <auto... Path>
using config_of = typename root_of<Path...>::type;

template <auto... Path>
constexpr auto& field(auto& config) {
  return (config.*....*Path);
}

/// A row whose knob is not one field of one of the types below.
template <class Config>
constexpr knob<Config> own(std::string_view name, knob_kind kind, knob_class applies, std::string_view doc,
                           std::string_view expects, bool (*set)(Config&, std::string_view),
                           std::string (*get)(const Config&)) {
  knob<Config> k;
  k.name = name;
  k.kind = kind;
  k.applies = applies;
  k.doc = doc;
  k.expects = expects;
  k.set = set;
  k.get = get;
  return k;
}

template <auto... Path>
constexpr auto row(std::string_view name, knob_kind kind, knob_class applies, std::string_view doc,
                   std::string_view expects) {
  return own<config_of<Path...>>(name, kind, applies, doc, expects, nullptr, nullptr);
}

template <auto... Path>
constexpr auto duration(std::string_view name, knob_range range, knob_class applies, std::string_view doc) {
  using config = config_of<Path...>;
  auto k = row<Path...>(name, knob_kind::duration, applies, doc,
                        "a duration with its unit, such as \"500ms\", \"30s\" or \"10m\"");
  k.least = range.least;
  k.most = range.most;
  k.set = [](config& c, std::string_view text) { return duration_from_text(text, field<Path...>(c)); };
  k.get = [](const config& c) { return text_of_duration(field<Path...>(c)); };
  k.number = [](const config& c) { return static_cast<double>(field<Path...>(c).count()); };
  return k;
}

/// A whole number, of any unsigned type.
template <auto... Path>
constexpr auto count(std::string_view name, knob_range range, knob_class applies, std::string_view doc) {
  using config = config_of<Path...>;
  using number = std::remove_reference_t<decltype(field<Path...>(std::declval<config&>()))>;
  auto k = row<Path...>(name, knob_kind::count, applies, doc, "a whole number");
  k.least = range.least;
  k.most = range.most;
  k.set = [](config& c, std::string_view text) {
    std::size_t n = 0;
    if (!count_from_text(text, n) || n > std::numeric_limits<number>::max()) return false;
    field<Path...>(c) = static_cast<number>(n);
    return true;
  };
  k.get = [](const config& c) { return std::to_string(field<Path...>(c)); };
  k.number = [](const config& c) { return static_cast<double>(field<Path...>(c)); };
  return k;
}

template <auto... Path>
constexpr auto bytes(std::string_view name, knob_range range, knob_class applies, std::string_view doc) {
  using config = config_of<Path...>;
  auto k = row<Path...>(name, knob_kind::bytes, applies, doc, "a number of bytes such as \"16MiB\"");
  k.least = range.least;
  k.most = range.most;
  k.set = [](config& c, std::string_view text) { return bytes_from_text(text, field<Path...>(c)); };
  k.get = [](const config& c) { return text_of_bytes(field<Path...>(c)); };
  k.number = [](const config& c) { return static_cast<double>(field<Path...>(c)); };
  return k;
}

template <auto... Path>
constexpr auto ratio(std::string_view name, knob_range range, knob_class applies, std::string_view doc) {
  using config = config_of<Path...>;
  auto k = row<Path...>(name, knob_kind::ratio, applies, doc, "a number");
  k.least = range.least;
  k.most = range.most;
  k.set = [](config& c, std::string_view text) { return ratio_from_text(text, field<Path...>(c)); };
  k.get = [](const config& c) { return text_of_ratio(field<Path...>(c)); };
  k.number = [](const config& c) { return field<Path...>(c); };
  return k;
}

template <auto... Path>
constexpr auto flag(std::string_view name, knob_class applies, std::string_view doc) {
  using config = config_of<Path...>;
  auto k = row<Path...>(name, knob_kind::flag, applies, doc, "true or false");
  k.set = [](config& c, std::string_view text) { return flag_from_text(text, field<Path...>(c)); };
  k.get = [](const config& c) { return std::string(field<Path...>(c) ? "true" : "false"); };
  return k;
}

template <auto... Path>
constexpr auto text(std::string_view name, knob_class applies, std::string_view doc) {
  using config = config_of<Path...>;
  auto k = row<Path...>(name, knob_kind::text, applies, doc, "a text");
  k.set = [](config& c, std::string_view value) {
    field<Path...>(c).assign(value);
    return true;
  };
  k.get = [](const config& c) { return std::string(field<Path...>(c)); };
  return k;
}

/// The path of a file.
template <auto... Path>
constexpr auto file(std::string_view name, knob_class applies, std::string_view doc) {
  auto k = text<Path...>(name, applies, doc);
  k.kind = knob_kind::file;
  k.expects = "the path of a file";
  return k;
}

template <const auto& Words>
struct words {
  static constexpr auto texts = [] {
    std::array<std::string_view, Words.size()> out;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = Words[i].text;
    return out;
  }();
  // "a", "b" or "c"
  static constexpr std::size_t length = [] {
    std::size_t n = 0;
    for (const std::string_view t : texts) n += t.size() + 6;
    return n;
  }();
  struct sentence {
    std::array<char, length> letters{};
    std::size_t size = 0;
    constexpr void add(std::string_view t) {
      for (const char c : t) letters[size++] = c;
    }
  };
  static constexpr sentence expects = [] {
    sentence s;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (i != 0) s.add(i + 1 == texts.size() ? " or " : ", ");
      s.add("\"");
      s.add(texts[i]);
      s.add("\"");
    }
    return s;
  }();
};

/// One of several words: `Words` is a constexpr std::array of choice_word at namespace scope.
template <const auto& Words, auto... Path>
constexpr auto choice(std::string_view name, knob_class applies, std::string_view doc) {
  using config = config_of<Path...>;
  auto k = row<Path...>(name, knob_kind::choice, applies, doc,
                        {words<Words>::expects.letters.data(), words<Words>::expects.size});
  k.choices = words<Words>::texts;
  k.set = [](config& c, std::string_view value) {
    for (const auto& w : Words) {
      if (w.text != value) continue;
      field<Path...>(c) = w.value;
      return true;
    }
    return false;
  };
  k.get = [](const config& c) {
    for (const auto& w : Words) {
      if (w.value == field<Path...>(c)) return std::string(w.text);
    }
    return std::string();
  };
  return k;
}

}  // namespace rows
}  // namespace detail
}  // namespace v0
}  // namespace lido
