// What the configuration says about hosts, for the core.
#pragma once

#include "pool/core/endpoints.hpp"

#include <lido/pool/config.hpp>

namespace lido {
inline namespace v0 {
namespace detail {

core::endpoints endpoints_of(const pool_config& config);
// Other ones, in another order, or for another purpose: what was known of their numbers is void.
bool has_other_hosts(const pool_config& now, const pool_config& next);

// A pool with replicas is two lanes, each with slots, waiters and a cap of its own: they are different servers.
pool_config primary_lane(pool_config config);
pool_config replica_lane(pool_config config);

}  // namespace detail
}  // namespace v0
}  // namespace lido
