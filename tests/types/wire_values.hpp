// Values and results as the server would send them, made by hand.
#pragma once

#include <lido/driver/detail/decode.hpp>
#include <lido/driver/encode.hpp>
#include <lido/driver/result.hpp>
#include <lido/driver/types.hpp>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido::test {

inline std::string unhex(std::string_view hex) {
  std::vector<std::byte> bytes;
  if (!detail::bytea_from_text("\\x" + std::string(hex), bytes)) return "unhex: bad test data";
  return std::string(detail::chars_of(bytes));
}

template <std::integral Int>
std::string big(Int value) {
  std::string out;
  value_writer(out).put(value);
  return out;
}

inline column make_column(std::string name, std::uint32_t type, bool binary = true) {
  column col;
  col.name = std::move(name);
  col.type_oid = type;
  col.binary = binary;
  return col;
}

template <class T>
struct decoded {
  detail::decode_status status;
  T value;
  bool ok() const { return status == detail::decode_status::ok; }
};

// What a column of this type with these bytes (nullopt: NULL) is as a T.
template <class T>
decoded<T> decode(std::uint32_t type, std::optional<std::string_view> bytes, bool binary = true) {
  decoded<T> out{};
  detail::cell from;
  if (bytes) from = {bytes->data(), static_cast<std::int32_t>(bytes->size())};
  out.status = detail::decode_cell(from, make_column("c", type, binary), out.value);
  return out;
}

// The single parameter's bytes, without their length.
template <class T>
std::optional<std::string> encode(const T& value) {
  const detail::request r = detail::make_request("select $1", value);
  if (r.error()) return std::nullopt;
  return r.values().substr(4);
}

using cells = std::vector<std::optional<std::string>>;

inline std::string data_row(const cells& values) {
  std::string body = big(static_cast<std::int16_t>(values.size()));
  for (const auto& v : values) body += big(v ? static_cast<std::int32_t>(v->size()) : -1) + v.value_or("");
  return body;
}

inline detail::raw_result make_raw(std::vector<column> columns, const std::vector<cells>& rows) {
  detail::raw_result raw;
  raw.columns = std::make_shared<const detail::row_description>(std::move(columns));
  for (const cells& r : rows) {
    raw.bytes += data_row(r);
    raw.ends.push_back(raw.bytes.size());
  }
  raw.tag = "SELECT " + std::to_string(rows.size());
  return raw;
}

// What `f` throws, as a code and its context; an empty code if it does not.
struct thrown {
  std::error_code code;
  std::string context;
};
template <class F>
thrown error_of(F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const error& e) {
    return {e.code(), e.diag().context};
  }
  return {};
}

}  // namespace lido::test
