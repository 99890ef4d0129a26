// What collectors may ask without keeping the pool alive.
#include "pool/pool_impl.hpp"

#include <lido/pool/pool.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace lido {
inline namespace v0 {

namespace {

// What `read` says of the pool, as long as there is one.
template <class Read>
auto source_of(std::weak_ptr<detail::pool_impl> weak, Read read) {
  return [weak = std::move(weak), read]() -> std::optional<decltype(read(*weak.lock()))> {
    const auto impl = weak.lock();
    if (!impl) return std::nullopt;
    return read(*impl);
  };
}

pool_sources sources_of(const std::shared_ptr<detail::pool_impl>& impl) {
  return {.stats = source_of(impl, [](const detail::pool_impl& p) { return p.stats(); }),
          .holders = source_of(impl, [](const detail::pool_impl& p) { return p.holders(); }),
          .readiness = source_of(impl, [](const detail::pool_impl& p) { return p.readiness(); })};
}

// Who asks for a replica gets the primary when there is none: no reason to send no traffic here.
pool_readiness readiness_of_replicas(const detail::pool_impl& p) {
  pool_readiness r = p.readiness();
  if (r.state == readiness_state::unreachable && p.config()->replica.fallback == replica_fallback::primary) {
    r.ready = true;
    r.state = readiness_state::ready;
  }
  return r;
}

}  // namespace

std::function<std::optional<pool_stats>()> pool::stats_source() const { return sources().stats; }
std::function<std::optional<pool_stats>()> pool::replica_stats_source() const { return replica_sources().stats; }
pool_sources pool::sources() const { return sources_of(impl_); }
pool_sources pool::replica_sources() const {
  if (!replicas_) return {};
  pool_sources all = sources_of(replicas_);
  all.readiness = source_of(replicas_, readiness_of_replicas);
  return all;
}

}  // namespace v0
}  // namespace lido
