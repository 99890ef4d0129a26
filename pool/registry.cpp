#include "pool/config/config_builder.hpp"
#include "pool/pool_impl.hpp"
#include "pool/registry_impl.hpp"

#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace lido {
inline namespace v0 {

namespace {

using all_pools = std::vector<std::pair<std::string, pool_config>>;

all_pools read_all(const config_sources& sources) {
  return detail::load_all_layers(sources, detail::process_environment());
}

[[noreturn]] void no_pool(std::string_view name) {
  diagnostics diag;
  diag.context = "there is no pool " + std::string(name);
  throw error(errc::invalid_config, std::move(diag));
}

}  // namespace

// All or none: whatever can fail is done for every pool before the first one changes.
std::vector<reload_result::pool_changes> pool_registry::impl::change_all(all_pools next) {
  if (next.size() != pools.size())
    detail::throw_invalid_config(sources.file + ": a pool came or went, which wants a restart");
  std::vector<std::pair<const std::string*, detail::pool_impl*>> whose;
  std::vector<detail::pool_impl::prepared> prepared;
  for (auto& [name, config] : next) {
    const auto found = pools.find(name);
    if (found == pools.end())
      detail::throw_invalid_config(sources.file + ": [pool." + name + "] is new, which wants a restart");
    if (const auto& replicas = found->second.replicas) {
      whose.emplace_back(nullptr, replicas.get());
      prepared.push_back(replicas->prepare(config));
    }
    whose.emplace_back(&found->first, found->second.inner.get());
    prepared.push_back(whose.back().second->prepare(std::move(config)));
  }
  std::vector<reload_result::pool_changes> out;
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    if (prepared[i].changes.empty()) continue;
    if (whose[i].first != nullptr) out.push_back({*whose[i].first, prepared[i].changes});
    whose[i].second->apply(prepared[i]);
  }
  return out;
}

reload_result pool_registry::impl::reload() {
  const std::lock_guard turn(reloading);
  reload_result result;
  all_pools next;
  try {
    std::string stamps = stamps_of_files();
    {
      const std::lock_guard guard(noted);
      seen.swap(stamps);
    }
    next = read_all(sources);
    std::vector<std::string> read = files_of(next);
    result.pools = change_all(std::move(next));
    const std::lock_guard guard(noted);
    files = std::move(read);
    result.ok = true;
  } catch (const error& e) {
    result.error = e.diag().context.empty() ? e.code().message() : e.diag().context;
  } catch (const std::exception&) {
    result.error = "out of memory, or the configuration's code threw";
  }
  const std::lock_guard guard(noted);
  numbers.last_ok = result.ok;
  if (result.ok) {
    ++numbers.successes;
    numbers.last_success = std::chrono::system_clock::now();
  } else {
    ++numbers.failures;
  }
  return result;
}

std::vector<std::string> pool_registry::impl::files_of(const all_pools& configs) {
  std::vector<std::string> out;
  for (const auto& [name, config] : configs) {
    for (std::string& f : config.files()) {
      if (std::find(out.begin(), out.end(), f) == out.end()) out.push_back(std::move(f));
    }
  }
  return out;
}

std::string pool_registry::impl::stamps_of_files() {
  std::vector<std::string> watched;
  {
    const std::lock_guard guard(noted);
    watched = files;
  }
  std::string out;
  for (const std::string& f : watched) out += detail::stamp_of_file(f);
  return out;
}

bool pool_registry::impl::files_changed() {
  const std::string now = stamps_of_files();
  const std::lock_guard guard(noted);
  return now != seen;
}

pool_registry::pool_registry(asio::any_io_executor executor, config_sources sources)
    : pool_registry(std::vector{std::move(executor)}, std::move(sources)) {}

pool_registry::pool_registry(std::vector<asio::any_io_executor> executors, config_sources sources)
    : impl_(std::make_shared<impl>()) {
  impl_->sources = std::move(sources);
  all_pools configs = read_all(impl_->sources);
  impl_->files = impl::files_of(configs);
  impl_->seen = impl_->stamps_of_files();
  for (auto& [name, config] : configs) {
    auto made = std::make_unique<pool>(executors, std::move(config));
    auto inner = made->impl_;
    auto replicas = made->replicas_;
    impl_->pools.emplace(name, impl::entry{std::move(made), std::move(inner), std::move(replicas)});
  }
  impl_->numbers.successes = 1;
  impl_->numbers.last_success = std::chrono::system_clock::now();
}

pool_registry::~pool_registry() = default;

pool* pool_registry::find(std::string_view name) const noexcept {
  const auto found = impl_->pools.find(name);
  return found == impl_->pools.end() ? nullptr : found->second.object.get();
}

pool& pool_registry::at(std::string_view name) const {
  pool* const found = find(name);
  if (found == nullptr) no_pool(name);
  return *found;
}

std::vector<std::string_view> pool_registry::names() const {
  std::vector<std::string_view> out;
  for (const auto& [name, entry] : impl_->pools) out.emplace_back(name);
  return out;
}

reload_result pool_registry::reload() { return impl_->reload(); }

reload_stats pool_registry::reloads() const {
  const std::lock_guard guard(impl_->noted);
  return impl_->numbers;
}

std::function<std::optional<reload_stats>()> pool_registry::reloads_source() const {
  return [weak = std::weak_ptr<impl>(impl_)]() -> std::optional<reload_stats> {
    const auto self = weak.lock();
    if (!self) return std::nullopt;
    const std::lock_guard guard(self->noted);
    return self->numbers;
  };
}

asio::awaitable<void> pool_registry::async_close(std::chrono::nanoseconds patience) {
  const auto self = impl_;
  // Begun for all before the first is waited for: the patience is one for all of them.
  for (const auto& [name, entry] : self->pools) entry.object->async_close(patience, [] {});
  for (const auto& [name, entry] : self->pools) co_await entry.object->async_close(patience);
}

}  // namespace v0
}  // namespace lido
