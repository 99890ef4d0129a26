#include "metrics/families.hpp"
#include "metrics/refuse.hpp"

#include <lido/metrics/collector.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

namespace lido::inline v0::metrics {

namespace {

constexpr std::size_t max_pools = 256;
constexpr std::size_t max_name_length = 64;

struct registration {
  std::string pool_name;
  std::shared_ptr<const pool_sources> ask;  // shared: called outside the lock while somebody may remove it
};

bool valid_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= max_name_length && std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

struct collector::state {
  std::mutex mutex;
  std::vector<registration> pools;
  std::atomic<std::uint64_t> errors{0};

  std::vector<registration> copy() {
    const std::lock_guard lock{mutex};
    return pools;
  }

  void forget(const registration& gone) {
    const std::lock_guard lock{mutex};
    std::erase_if(pools, [&gone](const registration& r) { return r.ask == gone.ask; });
  }
};

collector::collector() : state_{std::make_unique<state>()} {}
collector::~collector() = default;

void collector::add(std::string_view pool_name, source stats) {
  add(pool_name, pool_sources{.stats = std::move(stats), .holders = nullptr, .readiness = nullptr});
}

void collector::add(std::string_view pool_name, pool_sources sources) {
  if (!valid_name(pool_name)) refuse("a pool's name in metrics is 1 to 64 characters of [a-zA-Z0-9_]");
  if (!sources.stats) refuse("the source of a pool's statistics is empty");
  registration entry{std::string{pool_name}, std::make_shared<const pool_sources>(std::move(sources))};
  const std::lock_guard lock{state_->mutex};
  for (const registration& r : state_->pools) {
    if (r.pool_name == pool_name) refuse("two pools of one name in metrics: " + entry.pool_name);
  }
  if (state_->pools.size() == max_pools) refuse("more than 256 pools in one collector");
  state_->pools.push_back(std::move(entry));
}

bool collector::remove(std::string_view pool_name) {
  const std::lock_guard lock{state_->mutex};
  return std::erase_if(state_->pools, [&](const registration& r) { return r.pool_name == pool_name; }) > 0;
}

std::vector<pool_sample> collector::samples() const {
  std::vector<pool_sample> samples;
  for (const registration& r : state_->copy()) {
    try {
      std::optional<pool_stats> s = r.ask->stats();
      if (!s) {
        state_->forget(r);
        continue;
      }
      samples.push_back({r.pool_name, std::move(*s), r.ask->readiness ? r.ask->readiness() : std::nullopt});
    } catch (...) {
      state_->errors.fetch_add(1, std::memory_order_relaxed);
    }
  }
  return samples;
}

std::vector<pool_holders> collector::holders() const {
  std::vector<pool_holders> all;
  for (const registration& r : state_->copy()) {
    if (!r.ask->holders) continue;
    try {
      if (auto h = r.ask->holders()) all.push_back({r.pool_name, std::move(*h)});
    } catch (...) {
      state_->errors.fetch_add(1, std::memory_order_relaxed);
    }
  }
  return all;
}

std::vector<prometheus::MetricFamily> collector::Collect() const {
  std::vector<prometheus::MetricFamily> families = render(samples());
  families.push_back(scrape_errors(state_->errors.load(std::memory_order_relaxed)));
  return families;
}

}  // namespace lido::inline v0::metrics
