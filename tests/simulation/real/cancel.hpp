// A CancelRequest on a connection of its own: late, lost, broken, or done.
#pragma once

#include "driver/cancel/cancel_request.hpp"
#include "driver/transport/call_gate.hpp"
#include "tests/simulation/real/postmaster.hpp"

#include <memory>

namespace simulation {

class simulated_request final : public lido::cancel::attempt, public std::enable_shared_from_this<simulated_request> {
 public:
  using owner = lido::cancel::cancel_request::owner;

  simulated_request(server& s, postmaster& to, process_ptr whom, std::size_t lane, owner who)
      : server_(s), postmaster_(to), whom_(std::move(whom)), lane_(lane), owner_(std::move(who)) {}
  ~simulated_request();
  void start();

  void drop() noexcept override;
  void park() noexcept override;
  [[nodiscard]] lido::session::cancel_phase phase() const noexcept override { return phase_; }

 private:
  void dialled();
  void arrived();
  void end(bool eof);

  server& server_;
  postmaster& postmaster_;
  const process_ptr whom_;
  const std::size_t lane_;
  const owner owner_;
  lido::transport::call_gate gate_;
  lido::session::cancel_phase phase_ = lido::session::cancel_phase::connect;
  bool under_way_ = false;
};

}  // namespace simulation
