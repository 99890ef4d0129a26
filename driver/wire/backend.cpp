#include "driver/wire/backend.hpp"

#include "driver/wire/byte_reader.hpp"
#include "driver/wire/limits.hpp"

#include <charconv>

namespace lido::wire {
namespace {

// What `value` is worth if `from` was read to its end without a failure.
template <typename Value>
std::optional<Value> if_complete(const byte_reader& from, Value value) {
  if (!from.complete()) return std::nullopt;
  return value;
}

std::vector<std::string_view> read_mechanisms(byte_reader& in) {
  std::vector<std::string_view> names;
  for (std::string_view name = in.text(); !name.empty(); name = in.text()) names.push_back(name);
  return names;
}

column read_column(byte_reader& in, bool& known_format) {
  column out;
  out.name = in.text();
  out.table_oid = in.u32();
  in.u16();  // number of the column in its table
  out.type_oid = in.u32();
  in.u16();  // size of the type
  out.type_modifier = static_cast<std::int32_t>(in.u32());
  const std::uint16_t format = in.u16();
  known_format = known_format && format <= 1;  // B68
  out.binary = format == 1;
  return out;
}

}  // namespace

std::optional<authentication> parse_authentication(std::string_view body) {
  byte_reader in{body};
  authentication out;
  out.code = in.u32();
  switch (out.code) {
    case 0: out.kind = auth_kind::ok; break;
    case 3: out.kind = auth_kind::cleartext; break;
    case 5:
      out.kind = auth_kind::md5;
      out.salt = in.take(4);
      break;
    case 10:
      out.kind = auth_kind::sasl;
      out.mechanisms = read_mechanisms(in);
      break;
    case 11:
      out.kind = auth_kind::sasl_continue;
      out.data = in.rest();
      break;
    case 12:
      out.kind = auth_kind::sasl_final;
      out.data = in.rest();
      break;
    default: in.rest();  // Kerberos, GSS, SSPI and what is to come: refused by their code, whatever follows it
  }
  return if_complete(in, std::move(out));
}

std::optional<parameter_status> parse_parameter_status(std::string_view body) noexcept {
  byte_reader in{body};
  parameter_status out;
  out.name = in.text();
  out.value = in.text();
  return if_complete(in, out);
}

std::optional<backend_key> parse_backend_key(std::string_view body, std::size_t longest_key) noexcept {
  byte_reader in{body};
  backend_key out{};
  out.process_id = in.u32();
  out.secret = in.rest();
  if (out.secret.size() < 4 || out.secret.size() > longest_key) return std::nullopt;
  return if_complete(in, out);
}

std::optional<transaction_status> parse_ready_for_query(std::string_view body) noexcept {
  if (body == "I") return transaction_status::idle;
  if (body == "T") return transaction_status::in_transaction;
  if (body == "E") return transaction_status::failed;
  return std::nullopt;
}

std::optional<notification> parse_notification(std::string_view body) noexcept {
  byte_reader in{body};
  notification out{};
  out.process_id = in.u32();
  out.channel = in.text();
  out.payload = in.text();
  return if_complete(in, out);
}

std::optional<protocol_negotiation> parse_negotiation(std::string_view body) {
  byte_reader in{body};
  protocol_negotiation out{};
  out.newest_minor = in.u32();
  const std::uint32_t count = in.u32();
  if (count > in.remaining())
    return std::nullopt;  // a name has one byte at least: nothing is reserved on the peer's word
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) out.unknown_options.push_back(in.text());
  return if_complete(in, std::move(out));
}

std::optional<std::string_view> parse_command_complete(std::string_view body) noexcept {
  if (body.empty() || body.find('\0') != body.size() - 1) return std::nullopt;
  return body.substr(0, body.size() - 1);
}

std::optional<detail::row_description> parse_row_description(std::string_view body) {
  constexpr std::size_t least_column = 19;  // an empty name's NUL and the fixed fields
  byte_reader in{body};
  const std::size_t count = in.u16();
  if (count > max_columns || count * least_column > in.remaining()) return std::nullopt;  // B67
  detail::row_description out;
  out.reserve(count);
  bool known_formats = true;
  for (std::size_t i = 0; i < count && in.ok(); ++i) out.push_back(read_column(in, known_formats));
  if (!known_formats) return std::nullopt;
  return if_complete(in, std::move(out));
}

std::optional<std::vector<std::uint32_t>> parse_parameter_description(std::string_view body) {
  byte_reader in{body};
  const std::size_t count = in.u16();
  if (count * 4 != in.remaining()) return std::nullopt;
  std::vector<std::uint32_t> out(count);
  for (std::uint32_t& oid : out) oid = in.u32();
  return if_complete(in, std::move(out));
}

std::optional<copy_format> parse_copy_response(std::string_view body) noexcept {
  byte_reader in{body};
  const std::uint8_t format = in.u8();
  const std::size_t count = in.u16();
  if (!in.ok() || format > 1 || count > max_columns || count * 2 != in.remaining()) return std::nullopt;
  for (std::size_t i = 0; i < count; ++i) {
    if (in.u16() > format) return std::nullopt;  // in the text format every column is text
  }
  return copy_format{format == 1, count};
}

std::optional<std::uint64_t> affected_rows(std::string_view tag) noexcept {
  const std::size_t space = tag.rfind(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view digits = tag.substr(space + 1);
  std::uint64_t rows = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rows);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return rows;
}

}  // namespace lido::wire
