// In which order the hosts of a list are tried, and when the next one is. Sans-io; the rules are libpq's, except that
// an unverifiable or broken host is passed over, too: the next one has to prove itself just the same.
#pragma once

#include <lido/driver/config.hpp>
#include <lido/driver/detail/session.hpp>

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <vector>

namespace lido::session {

class host_plan {
 public:
  // `hosts` is at least 1. The seed decides the order of load_balance_hosts::random.
  host_plan(std::size_t hosts, target_session_attrs wanted, load_balance_hosts order, std::uint64_t seed,
            const detail::host_choice& choice = {});

  std::size_t host() const noexcept { return order_[at_ % order_.size()]; }
  // prefer_standby: standby in the first round, any in the second.
  target_session_attrs wanted() const noexcept;
  // Tries that are left, this one included: each gets an equal share of the time that is left.
  std::size_t left() const noexcept { return tries_ - at_; }
  bool is_last() const noexcept { return left() <= 1; }
  // To the next host; false: there is none.
  bool advance() noexcept;

  // Whether a failure is one host's own, so that the next one is worth a try.
  static bool goes_on(std::error_code ec) noexcept;

 private:
  std::vector<std::size_t> order_;
  target_session_attrs wanted_;
  std::size_t tries_;
  std::size_t at_ = 0;
};

}  // namespace lido::session
