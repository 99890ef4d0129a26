// Backend messages, parsed strictly: a body that is shorter or longer than its content is a violation (B59). Views
// point into the frame.
#pragma once

#include "driver/wire/data_row.hpp"
#include "driver/wire/frame.hpp"

#include <lido/driver/detail/raw_result.hpp>
#include <lido/driver/error.hpp>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lido::wire {

enum class transaction_status : char { idle = 'I', in_transaction = 'T', failed = 'E' };

struct parameter_status {
  std::string_view name;
  std::string_view value;
};
struct backend_key {
  std::uint32_t process_id;
  std::string_view secret;
};
struct notification {
  std::uint32_t process_id;
  std::string_view channel;
  std::string_view payload;
};
struct protocol_negotiation {
  std::uint32_t newest_minor;  // as sent: PostgreSQL sends the whole version, 0x00030000 for 3.0
  std::vector<std::string_view> unknown_options;
};
enum class auth_kind { ok, cleartext, md5, sasl, sasl_continue, sasl_final, unsupported };
struct authentication {
  auth_kind kind = auth_kind::unsupported;
  std::uint32_t code = 0;
  std::string_view salt;                     // md5: 4 bytes
  std::vector<std::string_view> mechanisms;  // sasl
  std::string_view data;                     // sasl_continue, sasl_final
};

// Each answers nullopt for a body that is not exactly the message.
std::optional<authentication> parse_authentication(std::string_view body);
std::optional<parameter_status> parse_parameter_status(std::string_view body) noexcept;
// A key of exactly 4 bytes; with protocol 3.2 of 4 to 256 (B42).
std::optional<backend_key> parse_backend_key(std::string_view body, std::size_t longest_key = 4) noexcept;
[[gnu::hot]] std::optional<transaction_status> parse_ready_for_query(std::string_view body) noexcept;
std::optional<notification> parse_notification(std::string_view body) noexcept;
std::optional<protocol_negotiation> parse_negotiation(std::string_view body);
[[gnu::hot]] std::optional<std::string_view> parse_command_complete(
    std::string_view body) noexcept;  // the tag, without its NUL
std::optional<detail::row_description> parse_row_description(std::string_view body);
std::optional<std::vector<std::uint32_t>> parse_parameter_description(std::string_view body);
// CopyInResponse and CopyOutResponse (B83).
struct copy_format {
  bool binary = false;
  std::size_t columns = 0;
};
std::optional<copy_format> parse_copy_response(std::string_view body) noexcept;

// ErrorResponse and NoticeResponse. Never fails for odd fields: missing ones keep defaults, unknown ones are skipped,
// of repeated ones the first counts, text is capped (B52, B53); nullopt only for a field without its NUL and for bytes
// behind the terminator. SQLSTATE: a malformed or missing one is XX000, and so is 00000 unless the severity says that
// it is no error (contract I25).
std::optional<diagnostics> parse_diagnostics(std::string_view body);

// Rows of a command tag: "INSERT 0 5" -> 5, "SELECT 3" -> 3; nullopt when the tag has none or it does not fit (B70).
std::optional<std::uint64_t> affected_rows(std::string_view tag) noexcept;

}  // namespace lido::wire
