#include "driver/session/host_plan.hpp"

#include <lido/driver/error.hpp>

#include <algorithm>
#include <random>

namespace lido::session {

host_plan::host_plan(std::size_t hosts, target_session_attrs wanted, load_balance_hosts order, std::uint64_t seed,
                     const detail::host_choice& choice)
    : wanted_(wanted) {
  for (std::size_t i = 0; i < hosts; ++i) {
    if ((choice.barred >> i & 1U) == 0) order_.push_back(i);
  }
  if (order_.empty()) order_.push_back(choice.first < hosts ? choice.first : 0);  // somebody has to be asked
  if (order == load_balance_hosts::random) std::shuffle(order_.begin(), order_.end(), std::minstd_rand(seed));
  const auto first = std::find(order_.begin(), order_.end(), choice.first);
  if (choice.has_first && first != order_.end()) std::rotate(order_.begin(), first, first + 1);
  tries_ = order_.size() * (wanted_ == target_session_attrs::prefer_standby ? 2 : 1);
}

target_session_attrs host_plan::wanted() const noexcept {
  if (wanted_ != target_session_attrs::prefer_standby) return wanted_;
  return at_ < order_.size() ? target_session_attrs::standby : target_session_attrs::any;
}

bool host_plan::advance() noexcept {
  if (is_last()) return false;
  ++at_;
  return true;
}

bool host_plan::goes_on(std::error_code ec) noexcept {
  // Who does not speak the protocol, or too much of it, is not a host that is down: that is for a person to see.
  if (ec == errc::protocol_error || ec == errc::message_too_large) return false;
  return is_disconnect(ec) || ec == errc::wrong_server_role || ec == errc::timeout;
}

}  // namespace lido::session
