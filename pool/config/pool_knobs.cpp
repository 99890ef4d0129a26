// The one table of the pool's knobs: a new knob is a field in pool_config and a row here.
#include "pool/config/pool_knobs.hpp"

#include <lido/driver/detail/knob_rows.hpp>

#include <array>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

using namespace rows;
using config = pool_config;
using cancel = pool_config::cancel_config;
using drain = pool_config::drain_config;
using reset = pool_config::reset_config;
using replica = pool_config::replica_config;

constexpr std::array reset_modes{choice_word<reset_mode>{"auto", reset_mode::automatic},
                                 choice_word<reset_mode>{"discard_all", reset_mode::discard_all},
                                 choice_word<reset_mode>{"none", reset_mode::none}};
constexpr std::array fallbacks{choice_word<replica_fallback>{"primary", replica_fallback::primary},
                               choice_word<replica_fallback>{"none", replica_fallback::none}};
constexpr std::array after_cancels{choice_word<after_cancel>{"recover", after_cancel::recover},
                                   choice_word<after_cancel>{"discard", after_cancel::discard},
                                   choice_word<after_cancel>{"never", after_cancel::never}};

constexpr std::array cancel_channels{choice_word<cancel_channel_choice>{"auto", cancel_channel_choice::automatic},
                                     choice_word<cancel_channel_choice>{"session", cancel_channel_choice::session},
                                     choice_word<cancel_channel_choice>{"request", cancel_channel_choice::request}};
constexpr std::array admissions{choice_word<admission_mode>{"off", admission_mode::off},
                                choice_word<admission_mode>{"deadline", admission_mode::deadline}};

constexpr std::array knobs{
    text<&config::name>("name", restart, "label pool_name of the metrics; the table's name unless given"),
    count<&config::max_size>("max_size", between(1, 100'000), live,
                             "connections at every instant, those being opened and closed included"),
    count<&config::min_size>("min_size", between(0, 100'000), live, "connections kept open"),
    count<&config::min_idle>("min_idle", between(0, 100'000), live,
                             "connections kept open beside those in use, up to max_size"),
    count<&config::max_waiters>("max_waiters", between(0, 10'000'000), live,
                                "tasks that may wait; the next one gets too_many_waiters"),
    count<&config::reserved_slots>("reserved_slots", between(0, 100'000), live,
                                   "of max_size, for priority high alone: health checks get in"),
    choice<admissions, &config::admission>("admission", live,
                                           "deadline: an acquire that would come too late is refused when it begins"),
    count<&config::max_tags>("max_tags", between(0, 1'000), restart,
                             "tags of acquires that are kept apart; the rest is \"other\""),
    duration<&config::slow_acquire_threshold>("slow_acquire_threshold", an_age, live,
                                              "an acquire that waited as long as this is logged; 0: none"),
    duration<&config::leak_threshold>("leak_threshold", an_age, live,
                                      "a lease that lasts longer is logged once, with its place; 0: none"),
    duration<&config::leak_reclaim>("leak_reclaim", an_age, live,
                                    "a lease that lasts longer is taken away from its user; 0: none"),
    duration<&config::acquire_timeout>("acquire_timeout", a_wait, live, "of an acquire whose caller gives no deadline"),
    duration<&config::max_lifetime>("max_lifetime", an_age, rolling, "a connection is replaced at this age; 0: never"),
    ratio<&config::max_lifetime_jitter>(
        "max_lifetime_jitter", between(0, 1), live,
        "a connection lives between (1 - jitter) x max_lifetime and max_lifetime, so that not all end at once"),
    duration<&config::idle_timeout>("idle_timeout", an_age, live,
                                    "idle for longer: closed, down to min_size; 0: never"),
    duration<&config::prune_interval>(
        "prune_interval", a_wait_or_off, live,
        "a quarter of those idle for too long, and at least one, is closed each so often; 0: all at once"),
    count<&config::max_uses>("max_uses", between(0, 1'000'000'000), live,
                             "leases after which a connection is replaced; 0: any number"),
    bytes<&config::max_bytes_received>("max_bytes_received", at_least(0), live,
                                       "received by a connection, after which it is replaced; 0: any number"),
    duration<&config::keepalive_interval>(
        "keepalive_interval", an_age, live,
        "an idle connection that nothing was heard of for so long gets a round trip in the background; 0: none"),
    duration<&config::validate_after_idle>("validate_after_idle", an_age, live,
                                           "idle for longer: one round trip before it is handed out; 0: never"),
    duration<&config::validation_timeout>("validation_timeout", a_wait, live, "of that round trip"),
    count<&config::connect_concurrency>("connect_concurrency", between(1, 100'000), live,
                                        "connections being opened at one time"),
    ratio<&config::connect_rate>("connect_rate", between(0, 1e6), live,
                                 "connects a second at most while they fail, and in slow start; 0: no bound"),
    count<&config::breaker_threshold>(
        "breaker_threshold", between(0, 1'000'000), live,
        "failed rounds of connects that open the breaker: who cannot be served then fails at once; 0: never"),
    duration<&config::connect_backoff_min>("connect_backoff_min", a_wait, live, "first pause after a failed connect"),
    duration<&config::connect_backoff_max>("connect_backoff_max", a_wait, live,
                                           "longest pause between failing connects"),
    flag<&config::statement_timeout_from_deadline>(
        "statement_timeout_from_deadline", rolling,
        "tell the server of deadlines, as statement_timeout in the same flush"),
    duration<&config::role_probe_interval>(
        "role_probe_interval", an_age, live,
        "how often each of several hosts is asked whether it is primary or standby, and names are looked up; 0: never"),
    duration<&config::max_lag>("max_lag", an_age, live,
                               "a standby further behind is not used where a standby is wanted; 0: however far"),
    count<&config::replica, &replica::max_size>(
        "replica.max_size", between(0, 100'000), restart,
        "connections to replicas, beside max_size; 0: the primary serves role::replica"),
    choice<fallbacks, &config::replica, &replica::fallback>("replica.fallback", restart,
                                                            "who serves role::replica when no replica can be reached"),
    choice<reset_modes, &config::reset, &reset::mode>("reset.mode", rolling, "what is undone between two leases"),
    duration<&config::reset, &reset::timeout>("reset.timeout", a_wait, live, "of what is undone between two leases"),
    duration<&config::cancel, &cancel::timeout>("cancel.timeout", a_wait, live,
                                                "over connect, TLS, CancelRequest and the server's EOF"),
    duration<&config::cancel, &cancel::retry_after>(
        "cancel.retry_after", a_wait, live,
        "a statement that runs on for this long after the EOF is cancelled once more"),
    count<&config::cancel, &cancel::concurrency>("cancel.concurrency", between(1, 100'000), live,
                                                 "CancelRequests at one time; beyond: drain or close"),
    ratio<&config::cancel, &cancel::rate>("cancel.rate", between(0, 1e9), live,
                                          "CancelRequests a second; 0: unlimited"),
    choice<after_cancels, &config::cancel, &cancel::after>("cancel.after", live,
                                                           "what becomes of a cancelled connection"),
    choice<cancel_channels, &config::cancel, &cancel::channel>(
        "cancel.channel", rolling, "how: pg_cancel_backend() on one standing session, or a CancelRequest each"),
    count<&config::cancel, &cancel::batch>("cancel.batch", between(1, 1024), live,
                                           "most cancels in one statement of the control session"),
    duration<&config::hook_timeout>("hook_timeout", a_wait, live, "of each run of a hook"),
    duration<&config::drain, &drain::timeout>("drain.timeout", a_wait, live, "from the cancel to ReadyForQuery"),
    bytes<&config::drain, &drain::max_bytes>("drain.max_bytes", at_least(1), live, "of a result that nobody wants"),
};

}  // namespace

std::span<const knob<pool_config>> pool_knobs() noexcept { return knobs; }

}  // namespace detail
}  // namespace v0
}  // namespace lido
