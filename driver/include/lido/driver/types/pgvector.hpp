// The extension vector (pgvector): 1 to 16,000 floats. The extension's `halfvec` and `sparsevec` are read as text by a
// cast.
#pragma once

#include <lido/driver/types/fixed_codec.hpp>

#include <string_view>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

/// `vector`. A std::vector<float> is PostgreSQL's own float4[].
struct pgvector {
  std::vector<float> values;

  pgvector() = default;
  explicit pgvector(std::vector<float> floats) : values(std::move(floats)) {}
  friend bool operator==(const pgvector&, const pgvector&) = default;
};

template <>
struct codec<pgvector> : detail::named_codec {
  static constexpr std::string_view name = "lido::pgvector";
  static constexpr std::string_view type_name = "vector";
  static bool encode(const pgvector& value, value_writer& out);
  static bool decode(value_reader& in, pgvector& out);
};

}  // namespace v0
}  // namespace lido
