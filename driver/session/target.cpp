#include "driver/session/target.hpp"

#include "driver/wire/frontend.hpp"

#include <lido/driver/error.hpp>

#include <utility>

namespace lido::session {
namespace {

constexpr std::string_view hot_standby = "in_hot_standby";
constexpr std::string_view default_read_only = "default_transaction_read_only";

std::optional<bool> flag(const std::string* value) noexcept {
  if (value == nullptr) return std::nullopt;
  return *value == "on";
}

const std::string* find(const server_parameters& parameters, std::string_view name) noexcept {
  const auto found = parameters.find(name);
  return found == parameters.end() ? nullptr : &found->second;
}

fitness is(const std::optional<bool>& said, bool wanted) noexcept {
  if (!said) return fitness::ask;
  return *said == wanted ? fitness::fits : fitness::does_not;
}

}  // namespace

standing standing_of(const std::string* in_hot_standby, const std::string* read_only) noexcept {
  standing s{flag(in_hot_standby), flag(read_only)};
  // A standby is read-only whatever its default says; the default alone says nothing of a server that may be one.
  if (s.in_recovery.value_or(false)) s.read_only = true;
  if (!s.in_recovery && !s.read_only.value_or(false)) s.read_only.reset();
  return s;
}

standing standing_of(const server_parameters& parameters) noexcept {
  return standing_of(find(parameters, hot_standby), find(parameters, default_read_only));
}

bool tells_standing(std::string_view parameter) noexcept {
  return parameter == hot_standby || parameter == default_read_only;
}

detail::server_role role_of(const standing& s) noexcept {
  if (!s.in_recovery) return detail::server_role::unknown;
  return *s.in_recovery ? detail::server_role::standby : detail::server_role::primary;
}

fitness judge(target_session_attrs wanted, const standing& s) noexcept {
  switch (wanted) {
    case target_session_attrs::any: return fitness::fits;
    case target_session_attrs::read_write: return is(s.read_only, false);
    case target_session_attrs::read_only: return is(s.read_only, true);
    case target_session_attrs::primary: return is(s.in_recovery, false);
    case target_session_attrs::standby:
    case target_session_attrs::prefer_standby: return is(s.in_recovery, true);
  }
  return fitness::fits;
}

std::string_view in_words(target_session_attrs wanted) noexcept {
  switch (wanted) {
    case target_session_attrs::any: return "any";
    case target_session_attrs::read_write: return "read-write";
    case target_session_attrs::read_only: return "read-only";
    case target_session_attrs::primary: return "primary";
    case target_session_attrs::standby: return "standby";
    case target_session_attrs::prefer_standby: return "prefer-standby";
  }
  return "any";
}

std::string describe(const standing& s) {
  if (s.in_recovery.value_or(false)) return "it is a standby";
  std::string text = s.in_recovery ? "it is a primary" : "it";
  if (!s.read_only) return text;
  text += s.in_recovery ? (*s.read_only ? ", but read-only" : ", read-write")
                        : (*s.read_only ? " is read-only" : " is read-write");
  return text;
}

role_query::role_query(target_session_attrs wanted, server_parameters parameters)
    : asks_recovery_(wanted != target_session_attrs::read_write && wanted != target_session_attrs::read_only),
      protocol_(std::move(parameters)) {
  protocol_.begin(segment::simple);
}

std::string role_query::request() const {
  std::string out;
  wire::append_query(out, asks_recovery_ ? "SELECT pg_catalog.pg_is_in_recovery()" : "SHOW transaction_read_only");
  return out;
}

role_query::step role_query::on_frame(const wire::frame& frame) {
  switch (protocol_.on_frame(frame)) {
    case event_kind::row:
      if (!take_value(frame.body)) return fail(errc::protocol_error);
      return step::read;
    case event_kind::server_error:
    case event_kind::fatal: diag_ = std::move(protocol_.diag()); return fail(protocol_.error());
    case event_kind::ready:
      if (!answered_ || protocol_.status() != wire::transaction_status::idle) return fail(errc::protocol_error);
      return step::done;
    case event_kind::copy_in:
    case event_kind::violation: return fail(errc::protocol_error);
    default: return step::read;
  }
}

role_query::step role_query::fail(std::error_code ec) {
  error_ = ec;
  if (diag_.context.empty()) diag_.context = "asking the server for its role";
  return step::fail;
}

// One column, in text: number of columns, length, value.
bool role_query::take_value(std::string_view row) {
  constexpr std::size_t before_value = 6;
  if (answered_ || row.size() <= before_value) return false;
  const std::string_view value = row.substr(before_value);
  const bool yes = value == "t" || value == "on";
  if (!yes && value != "f" && value != "off") return false;
  (asks_recovery_ ? standing_.in_recovery : standing_.read_only) = yes;
  answered_ = true;
  return true;
}

}  // namespace lido::session
