#include "pool/core/readiness.hpp"

#include "pool/core/lifecycle.hpp"

namespace lido::inline v0::core {

readiness judge(const pool_core& c, time_point now) noexcept {
  if (c.state() == pool_state::paused) return readiness::paused;
  if (c.state() > pool_state::paused) return readiness::closing;
  const breaker& b = c.connect_breaker();
  if (c.can_serve() || b.failed_rounds() == 0) return readiness::ready;
  const bool asking = c.slots().count(slot_state::connecting) > 0;
  return asking || now < add(b.pause().until(), failure_is_news_for) ? readiness::unreachable : readiness::ready;
}

}  // namespace lido::inline v0::core
