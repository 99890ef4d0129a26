#include "pool/core/endpoints.hpp"

#include <algorithm>

namespace lido::inline v0::core {

endpoints::endpoints(std::size_t hosts, endpoint_wish wish, duration max_lag) noexcept
    : size_(std::clamp<std::size_t>(hosts, 1, most_endpoints)), wish_(wish), max_lag_(max_lag) {}

// Known not to do: a connect would only find that out again.
bool endpoints::unfit(const host& h) const noexcept {
  switch (wish_) {
    case endpoint_wish::any: return false;
    case endpoint_wish::primary: return outdated(h);
    case endpoint_wish::standby: return max_lag_ > duration::zero() && h.lag > max_lag_;
  }
  return false;
}

endpoint_choice endpoints::choice() const noexcept {
  endpoint_choice c;
  for (std::size_t i = 0; i < size_; ++i) {
    if (unfit(hosts_[i])) c.barred.add(static_cast<endpoint_id>(i));
  }
  if (wish_ == endpoint_wish::primary && primary_ != no_endpoint && !c.barred.has(primary_)) c.first = primary_;
  return c;
}

endpoint_set endpoints::connected(endpoint_id where, endpoint_role role, const endpoint_choice& asked) noexcept {
  if (where >= size_) return {};
  hosts_[where].state = endpoint_state::up;
  endpoint_set retired = change(where, role);
  if (wish_ == endpoint_wish::standby && unfit(hosts_[where])) retired.add(where);  // it was asked for want of a better
  if (wish_ != endpoint_wish::primary) return retired;
  // With a role that nobody knows (a proxy that keeps it to itself) the driver's own judgement is all there is.
  const bool incumbent_failed = asked.first == primary_ && where != primary_;
  return endpoint_set(retired.bits() | claim(where, incumbent_failed).bits());
}

endpoint_set endpoints::role_changed(endpoint_id where, endpoint_role role) noexcept {
  if (where >= size_ || role == endpoint_role::unknown) return {};
  return change(where, role);
}

endpoint_set endpoints::seen(endpoint_id where, const sighting& what) noexcept {
  if (where >= size_) return {};
  host& h = hosts_[where];
  h.state = endpoint_state::up;
  const bool was_outdated = outdated(h);
  endpoint_set retired = change(where, what.role);
  h.timeline = what.role == endpoint_role::primary ? what.timeline : 0;
  const bool was_unfit = unfit(h);
  h.lag = what.role == endpoint_role::standby ? what.lag : duration::zero();
  if (wish_ == endpoint_wish::standby && !was_unfit && unfit(h)) retired.add(where);
  newest_timeline_ = std::max(newest_timeline_, h.timeline);
  if (wish_ != endpoint_wish::primary || what.role != endpoint_role::primary) return retired;
  if (outdated(h)) {
    if (primary_ == where) primary_ = no_endpoint;
    if (!was_outdated) retired.add(where);
    return retired;
  }
  // Of two that claim it and may both be right, who has it keeps it.
  if (primary_ != no_endpoint && !outdated(hosts_[primary_])) return retired;
  return endpoint_set(retired.bits() | claim(where, true).bits());
}

void endpoints::unreachable(endpoint_id where) noexcept {
  if (where >= size_) return;
  hosts_[where].state = endpoint_state::down;
  hosts_[where].lag = duration::max();
}

// What was lent for what the host was, is not what it is.
endpoint_set endpoints::change(endpoint_id where, endpoint_role role) noexcept {
  endpoint_set retired;
  host& h = hosts_[where];
  if (role == endpoint_role::unknown || h.role == role) return retired;
  const bool news = h.role != endpoint_role::unknown;
  h.role = role;
  if (role != endpoint_role::primary) h.timeline = 0;
  if (role != endpoint_role::primary && primary_ == where) primary_ = no_endpoint;
  // To what is wished: no connection to it can be older than that.
  const bool wished =
      wish_ == endpoint_wish::any || (role == endpoint_role::primary) == (wish_ == endpoint_wish::primary);
  if (news && !wished) retired.add(where);
  return retired;
}

endpoint_set endpoints::claim(endpoint_id where, bool incumbent_failed) noexcept {
  endpoint_set retired;
  if (primary_ == where) return retired;
  if (outdated(hosts_[where]) || (primary_ != no_endpoint && !incumbent_failed)) {
    retired.add(where);
    return retired;
  }
  if (primary_ != no_endpoint) retired.add(primary_);
  primary_ = where;
  return retired;
}

}  // namespace lido::inline v0::core
