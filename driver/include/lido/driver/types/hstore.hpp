// The extension hstore: keys and values that are texts, a value may be NULL.
#pragma once

#include <lido/driver/types/fixed_codec.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace lido {
inline namespace v0 {

using hstore = std::map<std::string, std::optional<std::string>, std::less<>>;

template <>
struct codec<hstore> : detail::named_codec {
  static constexpr std::string_view name = "lido::hstore";
  static constexpr std::string_view type_name = "hstore";
  static bool encode(const hstore& value, value_writer& out);
  static bool decode(value_reader& in, hstore& out);
};

}  // namespace v0
}  // namespace lido
