// One connection of a pool, from the decision to connect to its end: the observer of its session.
#pragma once

#include "pool/core/types.hpp"
#include "pool/loan.hpp"
#include "pool/pool_impl.hpp"
#include "pool/recovery/control_session.hpp"

#include <lido/driver/detail/session.hpp>
#include <lido/pool/lease.hpp>

#include <atomic>
#include <memory>

namespace lido {
inline namespace v0 {
namespace detail {

class pool_member final : public session_observer, public std::enable_shared_from_this<pool_member> {
 public:
  pool_member(const std::shared_ptr<pool_impl>& owner, core::slot_id slot)
      : id(slot), born(std::chrono::steady_clock::now()), pool_(owner) {}

  void on_revoked(std::uint64_t of) noexcept override;
  void on_disconnected(std::error_code ec, bool endpoint) noexcept override;
  void on_cancel(cancel_event what, cancel_via by) noexcept override;
  void on_stray_cancel() noexcept override;
  void on_notice(const diagnostics& note) noexcept override;
  void on_role(server_role now, bool read_only) noexcept override;
  void on_read_only_refusal() noexcept override;
  bool admit_cancel() noexcept override;
  void cancel_ended() noexcept override;
  bool prefers_control() noexcept override;
  bool allows_request() noexcept override;
  std::uint64_t submit_control(std::weak_ptr<control_client> who) noexcept override;
  void withdraw_control(std::uint64_t ticket) noexcept override;

  // ---- under the pool's mutex ----
  std::uint64_t present_tenure() const noexcept {
    return out != nullptr ? out->tenure.load(std::memory_order_relaxed) : tenure;
  }
  std::source_location present_place() const noexcept {
    return out != nullptr ? out->place.load(std::memory_order_relaxed) : place;
  }
  void forget_loan() noexcept {
    if (out == nullptr) return;
    tenure = present_tenure();
    place = present_place();
    out = nullptr;
  }

  const core::slot_id id;
  const std::chrono::steady_clock::time_point born;

  // guarded by it
  host_choice choice;  // where it may be connected to
  std::shared_ptr<connect_attempt> attempt;
  std::shared_ptr<managed_session> session;
  core::shard_id shard = 0;
  core::endpoint_choice asked;                             // which hosts its connect went by,
  std::uint32_t hosts_era = 0;                             // and which those were
  core::lease_id lease;                                    // the current one
  std::source_location place;                              // where it was acquired
  holder_note whose;                                       // and for whom
  std::unique_ptr<loan> spare = std::make_unique<loan>();  // for the next lease
  std::uint64_t tenure = 0;                                // the session's number for it
  loan* out = nullptr;                                     // the last one lent, until it is gone; it knows the last two
  std::optional<close_reason> reason;                      // recovery's finer one

  // set before the session is lent for the first time, then left alone
  std::shared_ptr<recovery::control_session> control;
  std::uint64_t control_name = 0;  // what it calls this connection
  cancel_channel_choice channel = cancel_channel_choice::request;

 private:
  const std::weak_ptr<pool_impl> pool_;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
