#include "driver/session/dirt.hpp"

#include <array>

namespace lido::session {
namespace {

struct remedy {
  dirt what;
  std::string_view sql;
};

// One after the other in one implicit transaction: the role first, whose rights the rest may need, and then the
// settings, a statement_timeout among them. What a lease set at the start of the session, RESET goes back to.
constexpr std::array<remedy, 8> remedies{{
    {dirt::role, "RESET SESSION AUTHORIZATION; RESET ROLE"},
    {dirt::guc, "RESET ALL"},
    {dirt::cursor, "CLOSE ALL"},
    {dirt::listen, "UNLISTEN *"},
    {dirt::advisory, "SELECT pg_catalog.pg_advisory_unlock_all()"},
    {dirt::prepared, "DEALLOCATE ALL"},
    {dirt::temp, "DISCARD TEMP"},
    {dirt::sequence, "DISCARD SEQUENCES"},
}};

}  // namespace

session_reset leftovers::kind(dirt also, bool all) const noexcept {
  const dirt left = (seen_ | also) & stains;
  if (any(left & dirt::lasting)) return session_reset::impossible;
  if (all || any(left & dirt::unknown)) return any(kept_) ? session_reset::impossible : session_reset::discard_all;
  if (!any(left)) return session_reset::none;
  return any(left & kept_) ? session_reset::impossible : session_reset::exact;
}

std::string leftovers::statements(dirt also, bool all) const {
  std::string sql;
  switch (kind(also, all)) {
    case session_reset::none:
    case session_reset::impossible: break;
    case session_reset::discard_all: sql = "DISCARD ALL"; break;
    case session_reset::exact:
      for (const remedy& each : remedies) {
        if (!any((seen_ | also) & each.what)) continue;
        if (!sql.empty()) sql += "; ";
        sql += each.sql;
      }
      break;
  }
  return sql;
}

void leftovers::keep() noexcept {
  kept_ |= seen_ & stains;
  seen_ = dirt::none;
}

void leftovers::was_reset(session_reset how) noexcept {
  if (how == session_reset::exact || how == session_reset::discard_all) seen_ = dirt::none;
}

// A user's own DISCARD ALL stands alone, outside any transaction: what it undid is undone.
void leftovers::discarded(std::string_view tag) noexcept {
  if (tag == "DISCARD ALL") seen_ = (seen_ & (dirt::lasting | dirt::timeouts)) | kept_;
}

}  // namespace lido::session
