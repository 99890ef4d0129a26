// Another configuration for a pool that runs. What can fail - reading, validating, TLS files - is done before anything
// changes; what changes, changes under the mutex in one piece, so that no acquire and no connect sees half of it.
#include "pool/member.hpp"
#include "pool/pool_hosts.hpp"
#include "pool/pool_impl.hpp"

#include <lido/driver/detail/knobs.hpp>
#include <lido/pool/pool.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

std::string stamp_of_file(const std::string& path) {
  struct stat s{};
  if (::stat(path.c_str(), &s) != 0) return path + ":none;";
  return path + ":" + std::to_string(s.st_dev) + "," + std::to_string(s.st_ino) + "," + std::to_string(s.st_size) +
         "," + std::to_string(s.st_mtim.tv_sec) + "," + std::to_string(s.st_mtim.tv_nsec) + ";";
}

std::string stamps_of_tls_files(const connect_config& config) {
  std::string out;
  for (const std::string* const file :
       {&config.sslrootcert, &config.sslcert, &config.sslkey, &config.sslcrl, &config.sslcrldir}) {
    if (!file->empty() && *file != "system") out += stamp_of_file(*file);
  }
  return out;
}

std::shared_ptr<const session_settings> settings_for(const pool_config& config) {
  std::error_code ec;
  diagnostics diag;
  auto settings = make_session_settings(config.connect, ec, diag.context);
  if (!settings) throw error(ec, std::move(diag));
  return settings;
}

namespace {

void refuse_restarts(const std::string& pool, const std::vector<knob_change>& changes) {
  for (const knob_change& c : changes) {
    if (c.applies != knob_class::restart) continue;
    diagnostics diag;
    diag.context = "pool " + pool + ": " + c.name + " can only be changed by a restart; nothing was changed";
    throw error(errc::invalid_config, std::move(diag));
  }
}

}  // namespace

pool_impl::prepared pool_impl::prepare(pool_config next) {
  prepared p;
  p.turn = std::unique_lock(reconfiguring_);
  std::shared_ptr<const pool_config> now;
  std::string stamps;
  {
    const lock guard(mutex_);
    now = config_;
    stamps = tls_stamps_;
  }
  // Callbacks cannot be compared and may be running: they stay.
  next.log = now->log;
  next.on_notice = now->on_notice;
  next.connect.on_notice = now->connect.on_notice;
  next.hooks = now->hooks;
  next.connect.password_provider = now->connect.password_provider;
  next.validate();
  next = lane_ == lane::replicas ? replica_lane(std::move(next)) : primary_lane(std::move(next));
  p.changes = now->changes_to(next);
  refuse_restarts(name_, p.changes);
  if (stamps != stamps_of_tls_files(next.connect))
    p.changes.push_back({"TLS files", "as read", "as they are now", knob_class::rolling, "file"});
  p.rolling = std::ranges::any_of(p.changes, [](const knob_change& c) { return c.applies == knob_class::rolling; });
  p.other_hosts = has_other_hosts(*now, next);
  p.other_watches = p.other_hosts || now->role_probe_interval != next.role_probe_interval ||
                    now->validation_timeout != next.validation_timeout;
  p.settings = settings_for(next);
  p.config = std::make_shared<const pool_config>(std::move(next));
  return p;
}

void pool_impl::apply(const prepared& p) noexcept {
  const recovery::settings how = recovery::settings_of(*p.config);
  budget_.adjust(p.config->cancel.concurrency, p.config->cancel.rate);
  std::vector<std::shared_ptr<managed_session>> living;
  std::string stamps = stamps_of_tls_files(p.config->connect);
  std::string as_read = stamps;
  tell([&](core::pool_core& c, core::action_list& out) LIDO_REQUIRES(mutex_) {
    const auto now = std::chrono::steady_clock::now();
    config_ = p.config;
    settings_ = p.settings;
    recovery_ = how;
    tls_stamps_of_connects_.swap(as_read);
    tls_stamps_.swap(stamps);
    acquire_timeout_.store(p.config->acquire_timeout.count(), std::memory_order_relaxed);
    when_clean_.store(left_clean(*p.config), std::memory_order_relaxed);
    when_soiled_.store(left_soiled(*p.config), std::memory_order_relaxed);
    if (members_.size() < p.config->max_size) members_.resize(p.config->max_size);
    ++configured_;
    if (p.other_hosts) {
      endpoints_ = endpoints_of(*p.config);
      ++hosts_era_;
    } else {
      endpoints_.allow_lag(p.config->max_lag);
    }
    for (const auto& m : members_) {
      if (m && m->session) living.push_back(m->session);
    }
    if (p.rolling) c.new_generation(now, out);  // first: what reconfigure() connects is of the new one already
    if (p.rolling) outdate_controls();
    tell_beginnings();
    c.reconfigure(limits_for(*p.config), now, out);
    may_keep_ = may_keep(c.settings());
  });
  for (const auto& session : living) session->set_budgets(how.budgets);
  renew_controls(*p.config, p.rolling);
  if (p.other_watches) watch_hosts();
}

// A session takes its own lock, so not under the pool's; and not older ones after apply() has given it newer.
void pool_impl::give_budgets(managed_session& to) const {
  for (std::uint64_t given = ~std::uint64_t{0};;) {
    recovery::settings how;
    {
      const lock guard(mutex_);
      if (configured_ == given) return;
      given = configured_;
      how = recovery_;
    }
    to.set_budgets(how.budgets);
  }
}

}  // namespace detail

std::vector<knob_change> pool::reconfigure(pool_config next) {
  std::optional<detail::pool_impl::prepared> replicas;
  if (replicas_) replicas = replicas_->prepare(next);
  detail::pool_impl::prepared p = impl_->prepare(std::move(next));
  impl_->apply(p);
  if (replicas) replicas_->apply(*replicas);
  return std::move(p.changes);
}

std::vector<effective_knob> pool::effective() const { return impl_->config()->effective(); }

}  // namespace v0
}  // namespace lido
