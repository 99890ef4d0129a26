// Messages as a PostgreSQL server sends them (protocol 3.0), right or wrong on purpose, as plain strings of bytes.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido::testing {

// Pieces.
[[nodiscard]] std::string int16_bytes(std::int32_t value);
[[nodiscard]] std::string int32_bytes(std::int64_t value);
[[nodiscard]] std::string zero_ended(std::string_view text);
/// "00 ff 53" as bytes.
[[nodiscard]] std::string from_hex(std::string_view digits);

/// Type and body; the length is right.
[[nodiscard]] std::string raw(char type, std::string_view body);
/// Type, length as given, body: the length may lie.
[[nodiscard]] std::string raw_with_length(char type, std::int64_t length, std::string_view body);

// Start of a session.
[[nodiscard]] std::string authentication(std::int32_t code, std::string_view body = {});
[[nodiscard]] std::string auth_ok();
[[nodiscard]] std::string auth_cleartext();
[[nodiscard]] std::string auth_md5(std::string_view salt);
[[nodiscard]] std::string auth_sasl(const std::vector<std::string>& mechanisms);
[[nodiscard]] std::string auth_sasl_continue(std::string_view text);
[[nodiscard]] std::string auth_sasl_final(std::string_view text);
[[nodiscard]] std::string negotiate_protocol_version(std::int64_t minor, const std::vector<std::string>& options);
[[nodiscard]] std::string parameter_status(std::string_view name, std::string_view value);
[[nodiscard]] std::string backend_key(std::int32_t pid = 4711, std::int64_t key = 0x0badcafe);
/// The parameters that a driver looks at, with the values of a usual server.
[[nodiscard]] std::string usual_parameters();
/// AuthOk, usual parameters, key, ReadyForQuery.
[[nodiscard]] std::string session_start();

// Queries.
struct column {
  std::string name;
  std::uint32_t type = 25;  // text
  std::int32_t type_size = -1;
  std::int32_t format = 0;
};
using field = std::optional<std::string>;

[[nodiscard]] std::string ready(char status = 'I');
[[nodiscard]] std::string row_description(const std::vector<column>& columns);
[[nodiscard]] std::string data_row(const std::vector<field>& fields);
[[nodiscard]] std::string command_complete(std::string_view tag);
[[nodiscard]] std::string empty_query();
[[nodiscard]] std::string parse_complete();
[[nodiscard]] std::string bind_complete();
[[nodiscard]] std::string close_complete();
[[nodiscard]] std::string no_data();
[[nodiscard]] std::string portal_suspended();
[[nodiscard]] std::string parameter_description(const std::vector<std::uint32_t>& types);
[[nodiscard]] std::string error_fields(const std::vector<std::pair<char, std::string>>& fields);
[[nodiscard]] std::string error_response(std::string_view severity, std::string_view sqlstate, std::string_view text);
[[nodiscard]] std::string notice_response(std::string_view severity, std::string_view sqlstate, std::string_view text);
[[nodiscard]] std::string notification(std::int32_t pid, std::string_view channel, std::string_view payload);

// COPY.
[[nodiscard]] std::string copy_in_response(std::int32_t format, const std::vector<std::int32_t>& columns);
[[nodiscard]] std::string copy_out_response(std::int32_t format, const std::vector<std::int32_t>& columns);
[[nodiscard]] std::string copy_data(std::string_view bytes);
[[nodiscard]] std::string copy_done();

}  // namespace lido::testing
