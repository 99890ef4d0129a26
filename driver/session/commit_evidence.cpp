#include "driver/session/commit_evidence.hpp"

#include <charconv>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <system_error>

namespace lido {
inline namespace v0 {

std::string_view to_string(commit_status s) noexcept {
  switch (s) {
    case commit_status::committed: return "committed";
    case commit_status::aborted: return "aborted";
    case commit_status::in_progress: return "in progress";
    case commit_status::unknown: return "unknown";
  }
  return "unspecified";
}

}  // namespace v0
}  // namespace lido

namespace lido::session {
namespace {

// The timeline that is written now (the control file has that of the last checkpoint), and the moment when statistics
// began, which a crash moves and a restart does not.
constexpr std::string_view timeline =
    "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)";
constexpr std::string_view statistics_began =
    "pg_catalog.int8(pg_catalog.date_part('epoch', pg_catalog.pg_stat_get_bgwriter_stat_reset_time()) "
    "OPERATOR(pg_catalog.*) 1000000)";

std::string select(std::string_view first) {
  std::string sql = "SELECT ";
  sql.append(first)
      .append("::pg_catalog.text, s.system_identifier::pg_catalog.text, ")
      .append(timeline)
      .append(", ")
      .append(statistics_began)
      .append("::pg_catalog.text");
  return sql.append(" FROM pg_catalog.pg_control_system() s WHERE NOT pg_catalog.pg_is_in_recovery()");
}

std::string in_hex(std::uint32_t number) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08X", number);
  return text.data();
}

template <std::integral T>
bool read(const std::optional<std::string_view>& text, T& into, int base = 10) noexcept {
  if (!text) return false;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), into, base);
  return ec == std::errc{} && end == text->data() + text->size();
}

// The system identifier is an int8 to SQL: the upper half of its values comes with a minus.
bool read_system(const std::optional<std::string_view>& text, std::uint64_t& into) noexcept {
  std::int64_t number = 0;
  if (!read(text, number)) return false;
  into = static_cast<std::uint64_t>(number);
  return true;
}

bool read_server(const text_fields& row, transaction_id& into) noexcept {
  return read_system(row[1], into.system) && read(row[2], into.timeline, 16) && read(row[3], into.era);
}

}  // namespace

std::string naming_statement() { return select("pg_catalog.pg_current_xact_id()"); }

std::optional<transaction_id> name_in(const text_fields& row) noexcept {
  transaction_id name;
  if (!read(row[0], name.xid) || name.xid == 0 || !read_server(row, name)) return std::nullopt;
  return name;
}

// The status of an xid that may not be this server's is not even asked for.
std::string question_about(const transaction_id& which) {
  std::string status = "CASE WHEN s.system_identifier OPERATOR(pg_catalog.=) '";
  status.append(std::to_string(static_cast<std::int64_t>(which.system))).append("'::pg_catalog.int8 AND ");
  status.append(timeline).append(" OPERATOR(pg_catalog.=) '").append(in_hex(which.timeline));
  status.append("' THEN pg_catalog.pg_xact_status('").append(std::to_string(which.xid));
  return select(status.append("'::pg_catalog.xid8) END"));
}

commit_status verdict_on(const transaction_id& which, const text_fields* row) noexcept {
  transaction_id here;
  if (row == nullptr || !(*row)[0] || !read_server(*row, here)) return commit_status::unknown;
  if (here.system != which.system || here.timeline != which.timeline) return commit_status::unknown;
  const std::string_view said = *(*row)[0];
  if (said == "aborted") return commit_status::aborted;
  if (said == "in progress") return commit_status::in_progress;
  return said == "committed" && here.era == which.era ? commit_status::committed : commit_status::unknown;
}

bool proves_abort(std::string_view sqlstate) noexcept { return sqlstate == "22023"; }

}  // namespace lido::session
