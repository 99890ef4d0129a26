#include "tests/support/backend_messages.hpp"

#include <charconv>
#include <stdexcept>

namespace lido::testing {
namespace {

std::string big_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xff);
  return text;
}

std::string zero_ended_list(const std::vector<std::string>& items) {
  std::string text;
  for (const auto& item : items) text += zero_ended(item);
  return text;
}

std::string copy_response(char type, std::int32_t format, const std::vector<std::int32_t>& columns) {
  std::string body(1, static_cast<char>(format));
  body += int16_bytes(static_cast<std::int32_t>(columns.size()));
  for (const auto code : columns) body += int16_bytes(code);
  return raw(type, body);
}

}  // namespace

std::string int16_bytes(std::int32_t value) { return big_endian(static_cast<std::uint64_t>(value), 2); }

std::string int32_bytes(std::int64_t value) { return big_endian(static_cast<std::uint64_t>(value), 4); }

std::string zero_ended(std::string_view text) { return std::string{text} + '\0'; }

std::string from_hex(std::string_view digits) {
  std::string bytes;
  while (!digits.empty()) {
    if (digits.front() == ' ') {
      digits.remove_prefix(1);
      continue;
    }
    unsigned value = 0;
    const auto pair = digits.substr(0, 2);
    const auto [end, error] = std::from_chars(pair.data(), pair.data() + pair.size(), value, 16);
    if (error != std::errc{} || end != pair.data() + 2) throw std::invalid_argument{"from_hex"};
    bytes += static_cast<char>(value);
    digits.remove_prefix(2);
  }
  return bytes;
}

std::string raw(char type, std::string_view body) {
  return raw_with_length(type, static_cast<std::int64_t>(body.size()) + 4, body);
}

std::string raw_with_length(char type, std::int64_t length, std::string_view body) {
  std::string message(1, type);
  message += int32_bytes(length);
  message += body;
  return message;
}

std::string authentication(std::int32_t code, std::string_view body) {
  return raw('R', int32_bytes(code) + std::string{body});
}

std::string auth_ok() { return authentication(0); }

std::string auth_cleartext() { return authentication(3); }

std::string auth_md5(std::string_view salt) { return authentication(5, salt); }

std::string auth_sasl(const std::vector<std::string>& mechanisms) {
  return authentication(10, zero_ended_list(mechanisms) + '\0');
}

std::string auth_sasl_continue(std::string_view text) { return authentication(11, text); }

std::string auth_sasl_final(std::string_view text) { return authentication(12, text); }

std::string negotiate_protocol_version(std::int64_t minor, const std::vector<std::string>& options) {
  const auto count = static_cast<std::int64_t>(options.size());
  return raw('v', int32_bytes(minor) + int32_bytes(count) + zero_ended_list(options));
}

std::string parameter_status(std::string_view name, std::string_view value) {
  return raw('S', zero_ended(name) + zero_ended(value));
}

std::string backend_key(std::int32_t pid, std::int64_t key) { return raw('K', int32_bytes(pid) + int32_bytes(key)); }

std::string usual_parameters() {
  return parameter_status("server_version", "15.18") + parameter_status("server_encoding", "UTF8") +
         parameter_status("client_encoding", "UTF8") + parameter_status("DateStyle", "ISO, MDY") +
         parameter_status("TimeZone", "UTC") + parameter_status("integer_datetimes", "on") +
         parameter_status("standard_conforming_strings", "on") + parameter_status("in_hot_standby", "off") +
         parameter_status("default_transaction_read_only", "off") + parameter_status("session_authorization", "lido") +
         parameter_status("is_superuser", "off");
}

std::string session_start() { return auth_ok() + usual_parameters() + backend_key() + ready(); }

std::string ready(char status) { return raw('Z', std::string(1, status)); }

std::string row_description(const std::vector<column>& columns) {
  std::string body = int16_bytes(static_cast<std::int32_t>(columns.size()));
  for (const auto& each : columns) {
    body += zero_ended(each.name) + int32_bytes(0) + int16_bytes(0) + int32_bytes(each.type);
    body += int16_bytes(each.type_size) + int32_bytes(-1) + int16_bytes(each.format);
  }
  return raw('T', body);
}

std::string data_row(const std::vector<field>& fields) {
  std::string body = int16_bytes(static_cast<std::int32_t>(fields.size()));
  for (const auto& cell : fields) {
    body += cell ? int32_bytes(static_cast<std::int64_t>(cell->size())) + *cell : int32_bytes(-1);
  }
  return raw('D', body);
}

std::string command_complete(std::string_view tag) { return raw('C', zero_ended(tag)); }

std::string empty_query() { return raw('I', {}); }

std::string parse_complete() { return raw('1', {}); }

std::string bind_complete() { return raw('2', {}); }

std::string close_complete() { return raw('3', {}); }

std::string no_data() { return raw('n', {}); }

std::string portal_suspended() { return raw('s', {}); }

std::string parameter_description(const std::vector<std::uint32_t>& types) {
  std::string body = int16_bytes(static_cast<std::int32_t>(types.size()));
  for (const auto type : types) body += int32_bytes(type);
  return raw('t', body);
}

namespace {

std::string fields_of(char type, const std::vector<std::pair<char, std::string>>& fields) {
  std::string body;
  for (const auto& [code, text] : fields) body += code + zero_ended(text);
  return raw(type, body + '\0');
}

std::vector<std::pair<char, std::string>> usual_fields(std::string_view severity, std::string_view sqlstate,
                                                       std::string_view text) {
  const std::string word{severity};
  return {{'S', word}, {'V', word}, {'C', std::string{sqlstate}}, {'M', std::string{text}}};
}

}  // namespace

std::string error_fields(const std::vector<std::pair<char, std::string>>& fields) { return fields_of('E', fields); }

std::string error_response(std::string_view severity, std::string_view sqlstate, std::string_view text) {
  return fields_of('E', usual_fields(severity, sqlstate, text));
}

std::string notice_response(std::string_view severity, std::string_view sqlstate, std::string_view text) {
  return fields_of('N', usual_fields(severity, sqlstate, text));
}

std::string notification(std::int32_t pid, std::string_view channel, std::string_view payload) {
  return raw('A', int32_bytes(pid) + zero_ended(channel) + zero_ended(payload));
}

std::string copy_in_response(std::int32_t format, const std::vector<std::int32_t>& columns) {
  return copy_response('G', format, columns);
}

std::string copy_out_response(std::int32_t format, const std::vector<std::int32_t>& columns) {
  return copy_response('H', format, columns);
}

std::string copy_data(std::string_view bytes) { return raw('d', bytes); }

std::string copy_done() { return raw('c', {}); }

}  // namespace lido::testing
