#include "tests/simulation/real/cancel.hpp"

#include "tests/simulation/real/session.hpp"

#include <lido/driver/error.hpp>

#include <utility>

namespace simulation {

using namespace std::chrono_literals;
using lido::session::cancel_phase;

simulated_request::~simulated_request() { drop(); }

void simulated_request::start() {
  under_way_ = true;
  ++server_.requests[lane_];
  server_.require(server_.requests[lane_] <= server_.most_requests,
                  "I8: more CancelRequests at a time than cancel.concurrency");
  server_.time().after(server_.some(5ms), [me = shared_from_this()] { me->dialled(); });
}

void simulated_request::dialled() {
  if (!under_way_) return;
  if (server_.chance(server_.today.swallows)) return;  // no answer to the SYN
  if (server_.chance(server_.today.refuses)) return end(false);
  {
    const lido::transport::call_gate::pass pass(gate_);
    if (!pass || !owner_.may_write()) return drop();
  }
  phase_ = cancel_phase::eof;
  ++server_.seen.requests;
  if (const auto session = whom_->ours.lock())
    server_.require(!session->is_named(), "a CancelRequest while the control session's cancel was not answered");
  server_.time().after(server_.some(5ms), [me = shared_from_this()] { me->arrived(); });
}

// The server looks for the key, signals, and closes: whether anybody waits for that or not.
void simulated_request::arrived() {
  if (server_.chance(server_.today.dies)) return end(false);
  if (!server_.chance(2)) postmaster_.signal(whom_);  // some get lost
  if (server_.chance(server_.today.swallows)) return;
  server_.time().after(server_.some(3ms), [me = shared_from_this()] { me->end(true); });
}

void simulated_request::end(bool eof) {
  if (!std::exchange(under_way_, false)) return;
  --server_.requests[lane_];
  const lido::transport::call_gate::pass pass(gate_);
  if (pass) owner_.ended({eof, phase_, eof ? std::error_code() : make_error_code(lido::errc::connection_lost)});
}

void simulated_request::drop() noexcept {
  if (std::exchange(under_way_, false)) --server_.requests[lane_];
  gate_.close();
}

void simulated_request::park() noexcept { drop(); }

}  // namespace simulation
