// What the configuration says about hosts, for the core.
#pragma once

#include "pool/core/endpoints.hpp"

#include <lido/pool/config.hpp>

namespace lido {
inline namespace v0 {
namespace detail {

core::endpoints endpoints_of(const pool_config& config);

// A pool with replicas is two lanes, each with slots, waiters and a cap of its own: they are different servers.
pool_config primary_lane(pool_config config);
pool_config replica_lane(pool_config config);

}  // namespace detail
}  // namespace v0
}  // namespace lido
