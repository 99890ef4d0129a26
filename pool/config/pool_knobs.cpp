#include "pool/config/pool_knobs.hpp"

#include <array>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

using config = pool_config;
using nanoseconds = std::chrono::nanoseconds;

template <nanoseconds pool_config::* Field>
bool duration(config& c, std::string_view text) {
  return duration_from_text(text, c.*Field);
}
template <nanoseconds pool_config::cancel_config::* Field>
bool cancel_duration(config& c, std::string_view text) {
  return duration_from_text(text, c.cancel.*Field);
}
template <std::size_t pool_config::* Field>
bool count(config& c, std::string_view text) {
  return count_from_text(text, c.*Field);
}

bool set_name(config& c, std::string_view text) {
  c.name.assign(text);
  return true;
}
bool set_jitter(config& c, std::string_view text) { return ratio_from_text(text, c.max_lifetime_jitter); }
bool set_reset_mode(config& c, std::string_view text) {
  c.reset_mode = text == "discard_all" ? reset_mode::discard_all : reset_mode::rollback;
  return text == "rollback" || text == "discard_all";
}
bool set_cancel_concurrency(config& c, std::string_view text) { return count_from_text(text, c.cancel.concurrency); }
bool set_cancel_rate(config& c, std::string_view text) { return ratio_from_text(text, c.cancel.rate); }
bool set_cancel_after(config& c, std::string_view text) {
  c.cancel.after = text == "discard" ? after_cancel::discard
                   : text == "never" ? after_cancel::never
                                     : after_cancel::recover;
  return text == "recover" || text == "discard" || text == "never";
}
bool set_drain_timeout(config& c, std::string_view text) { return duration_from_text(text, c.drain.timeout); }
bool set_drain_bytes(config& c, std::string_view text) { return bytes_from_text(text, c.drain.max_bytes); }

constexpr std::string_view a_duration = "a duration with its unit, such as \"500ms\", \"30s\" or \"10m\"";
constexpr std::string_view a_count = "a number";

constexpr std::array knobs{
    knob<config>{"name", "letters, digits, - and _", "default", "label pool_name of the metrics", set_name},
    knob<config>{"max_size", a_count, "10", "connections at every instant, those being opened and closed included",
                 count<&config::max_size>},
    knob<config>{"min_size", a_count, "0", "connections kept open", count<&config::min_size>},
    knob<config>{"max_waiters", a_count, "10000", "tasks that may wait; the next one gets too_many_waiters",
                 count<&config::max_waiters>},
    knob<config>{"acquire_timeout", a_duration, "30s", "when the caller gives no deadline",
                 duration<&config::acquire_timeout>},
    knob<config>{"max_lifetime", a_duration, "30m", "a connection is replaced at this age; 0: never",
                 duration<&config::max_lifetime>},
    knob<config>{"max_lifetime_jitter", "a fraction from 0 to 1", "0.1", "so that connections do not all end at once",
                 set_jitter},
    knob<config>{"idle_timeout", a_duration, "10m", "idle for longer: closed, down to min_size; 0: never",
                 duration<&config::idle_timeout>},
    knob<config>{"validate_after_idle", a_duration, "1s",
                 "idle for longer: one round trip before it is handed out; 0: never",
                 duration<&config::validate_after_idle>},
    knob<config>{"validation_timeout", a_duration, "2s", "of that round trip", duration<&config::validation_timeout>},
    knob<config>{"connect_concurrency", a_count, "4", "connections being opened at one time",
                 count<&config::connect_concurrency>},
    knob<config>{"connect_backoff_min", a_duration, "100ms", "first pause after a failed connect",
                 duration<&config::connect_backoff_min>},
    knob<config>{"connect_backoff_max", a_duration, "5s", "longest pause", duration<&config::connect_backoff_max>},
    knob<config>{"reset_mode", "\"rollback\" or \"discard_all\"", "rollback", "what is undone between two leases",
                 set_reset_mode},
    knob<config>{"reset_timeout", a_duration, "5s", "of that", duration<&config::reset_timeout>},
    knob<config>{"cancel.timeout", a_duration, "5s", "over connect, TLS, CancelRequest and the server's EOF",
                 cancel_duration<&config::cancel_config::timeout>},
    knob<config>{"cancel.retry_after", a_duration, "500ms", "the statement runs on after the EOF: once more",
                 cancel_duration<&config::cancel_config::retry_after>},
    knob<config>{"cancel.concurrency", a_count, "16", "CancelRequests at one time; beyond: drain or close",
                 set_cancel_concurrency},
    knob<config>{"cancel.rate", "a number a second; 0: unlimited", "0", "CancelRequests a second", set_cancel_rate},
    knob<config>{"cancel.after", "\"recover\", \"discard\" or \"never\"", "recover",
                 "what becomes of a cancelled connection", set_cancel_after},
    knob<config>{"drain.timeout", a_duration, "5s", "from the cancel to ReadyForQuery", set_drain_timeout},
    knob<config>{"drain.max_bytes", "a number of bytes such as \"16MiB\"", "16MiB", "of a result that nobody wants",
                 set_drain_bytes},
};

}  // namespace

std::span<const knob<pool_config>> pool_knobs() noexcept { return knobs; }

}  // namespace detail
}  // namespace v0
}  // namespace lido
