// One recovery: an abandoned or dirty connection becomes usable again, or is given up. Never throws, never waits
// without a deadline; its only outputs are the verdict and counters (design decision 3).
//
//   settling ──quiet──► ROLLBACK, reset ──idle──► usable
//      │ budget, unknown    │ error, timeout
//      └────────────────────┴──► given up, with a reason
//
// The first statement behind a fence is the pool's own (contract, "The fence"): a 57014 that hits it is absorbed once,
// and the statement repeated.
#pragma once

#include <lido/driver/detail/session.hpp>
#include <lido/pool/config.hpp>
#include <lido/pool/stats.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <memory>

namespace lido::inline v0::recovery {

struct settings {
  detail::recovery_budgets budgets;
  reset_mode reset = reset_mode::automatic;
  std::chrono::nanoseconds reset_timeout = std::chrono::seconds(5);
};
settings settings_of(const pool_config& config);
close_reason reason_of(detail::recovery_failure why) noexcept;

struct verdict {
  bool usable = false;
  close_reason reason = close_reason::recovery_failed;  // when it is not
  // What was sent for it, and for how long; for counters.
  std::array<bool, reset_kind_count> resets{};
  std::chrono::nanoseconds reset_time{0};
};

class recovery : public std::enable_shared_from_this<recovery> {
 public:
  using handler = std::function<void(verdict)>;

  recovery(std::shared_ptr<detail::managed_session> session, const settings& how, handler done);
  void start();

 private:
  enum class step { roll_back, reset, finished };

  void on_settled(detail::recovery_failure why);
  void next();
  void roll_back();
  void reset();
  std::function<void(std::error_code, bool)> answer();
  void on_answer(std::error_code ec, bool idle);
  void finish(bool usable, close_reason reason = close_reason::recovery_failed);

  const std::shared_ptr<detail::managed_session> session_;
  const settings how_;
  handler done_;
  step step_ = step::roll_back;
  bool absorbed_ = false;  // one 57014, once
  time_point begun_{};
  time_point deadline_{};
  verdict verdict_;
};

}  // namespace lido::inline v0::recovery
