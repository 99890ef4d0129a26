// What row_stream, copy_in and copy_out have in common: the number of an exchange, and the way to run one of its steps.
#pragma once

#include <lido/driver/detail/initiate.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

// Unique in the process.
std::uint64_t next_exchange_id() noexcept;

// Owns its end of an exchange: leaving it brings the session back in step, without waiting.
class exchange_handle {
 public:
  exchange_handle() = default;
  exchange_handle(session_handle on, std::uint64_t id) noexcept : on_(std::move(on)), id_(id) {}
  exchange_handle(exchange_handle&& other) noexcept : on_(std::move(other.on_)), id_(std::exchange(other.id_, 0)) {}
  exchange_handle& operator=(exchange_handle&& other) noexcept {
    if (this == &other) return *this;
    leave();
    on_ = std::move(other.on_);
    id_ = std::exchange(other.id_, 0);
    return *this;
  }
  ~exchange_handle() { leave(); }

  void leave() noexcept {
    if (const std::uint64_t id = std::exchange(id_, 0); id != 0 && on_.session) on_.session->leave_exchange(id);
  }
  const session_handle& on() const noexcept { return on_; }
  std::uint64_t id() const noexcept { return id_; }

 private:
  session_handle on_;
  std::uint64_t id_ = 0;  // 0: none
};

// Handlers may wait in objects that are copied, so who leaves the exchange is shared there.
inline std::shared_ptr<exchange_handle> shared_exchange(const session_handle& on, std::uint64_t id) {
  return std::make_shared<exchange_handle>(on, id);
}

request copying(request statement, std::uint64_t id, exchange_kind kind);
request exchange_step(std::uint64_t id, exchange_kind kind, exchange_ask ask, std::string bytes = {});
inline op_plan step_plan(const op_options& options) noexcept { return {op_kind::step, false, options}; }

}  // namespace detail
}  // namespace v0
}  // namespace lido
