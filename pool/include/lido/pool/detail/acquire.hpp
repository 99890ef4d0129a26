// Somebody waiting for a lease: the handler, and what the pool keeps of it. The handler runs on its own executor; only
// there it is decided whether it gets the lease that was set aside for it (contract I10).
#pragma once

#include <lido/driver/detail/hand_over.hpp>
#include <lido/driver/detail/operation.hpp>
#include <lido/driver/options.hpp>
#include <lido/pool/lease.hpp>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/query.hpp>
#include <asio/system_executor.hpp>

#include <atomic>
#include <memory>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

struct acquire_outcome {
  std::error_code error;
  std::unique_ptr<diagnostics>
      diag;  // with an error that has more to say; a value would be 13 strings on the way of every acquire
  lido::lease lease;

  acquire_outcome() = default;  // not an aggregate: g++ 12
};

class acquire_node;  // the core's waiter and its bookkeeping; private to the pool

class acquire_op {
 public:
  acquire_op(const acquire_op&) = delete;
  acquire_op& operator=(const acquire_op&) = delete;

  virtual void post() = 0;  // the handler's turn has come: run on_turn() on its executor
  void cancel() noexcept;   // any thread

  void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

  acquire_node& node() noexcept { return *reinterpret_cast<acquire_node*>(&storage_); }
  const std::shared_ptr<pool_impl>& pool() const noexcept { return pool_; }
  time_point deadline() const noexcept { return deadline_; }
  const asio::execution_context* context() const noexcept {
    return context_;
  }  // of the caller: its own connections are preferred

 protected:
  acquire_op(std::shared_ptr<pool_impl> pool, time_point deadline, const asio::execution_context* context);
  ~acquire_op();
  virtual void destroy() noexcept = 0;
  // True: `out` is final. False: what was granted has died meanwhile; it waits again.
  bool on_turn(acquire_outcome& out);

 private:
  static constexpr std::size_t node_size = 128;
  std::shared_ptr<pool_impl> pool_;
  time_point deadline_;
  const asio::execution_context* context_;
  std::atomic<unsigned> refs_{0};
  alignas(8) std::byte storage_[node_size];
};

class acquire_ptr {
 public:
  acquire_ptr() = default;
  explicit acquire_ptr(acquire_op* op) noexcept : op_(op) { op_->add_ref(); }
  acquire_ptr(const acquire_ptr& other) noexcept : op_(other.op_) {
    if (op_ != nullptr) op_->add_ref();
  }
  acquire_ptr(acquire_ptr&& other) noexcept : op_(std::exchange(other.op_, nullptr)) {}
  acquire_ptr& operator=(acquire_ptr other) noexcept {
    std::swap(op_, other.op_);
    return *this;
  }
  ~acquire_ptr() {
    if (op_ != nullptr) op_->release();
  }
  acquire_op* get() const noexcept { return op_; }
  acquire_op* operator->() const noexcept { return op_; }

 private:
  acquire_op* op_ = nullptr;
};

template <class Executor>
const asio::execution_context* context_of(const Executor& executor) noexcept {
  if constexpr (asio::can_query<Executor, asio::execution::context_t>::value) {
    return &asio::query(executor, asio::execution::context);
  } else {
    return nullptr;
  }
}

void enqueue(acquire_ptr op);  // acquires or queues; completes through post(), never inside
asio::any_io_executor executor_of(const pool_impl& pool);

template <class Handler, class Finish>
class acquire_with final : public acquire_op {
 public:
  static acquire_with* make(Handler handler, std::shared_ptr<pool_impl> pool, const op_options& options) {
    auto alloc = rebound(handler);
    acquire_with* memory = alloc.allocate(1);
    return ::new (static_cast<void*>(memory)) acquire_with(std::move(handler), std::move(pool), options);
  }

  void post() override { work_.post(turn{acquire_ptr{this}}); }
  void connect_slot() {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.assign([this](asio::cancellation_type) { this->cancel(); });
  }

 private:
  using executor_type = typename asio::associated_executor<Handler, asio::any_io_executor>::type;

  struct turn {
    acquire_ptr self;
    void operator()() { static_cast<acquire_with*>(self.get())->run(std::move(self)); }
  };

  acquire_with(Handler handler, std::shared_ptr<pool_impl> pool, const op_options& options)
      : acquire_op(std::move(pool), options.deadline,
                   context_of(asio::get_associated_executor(handler, asio::system_executor()))),
        handler_(std::move(handler)),
        work_(asio::get_associated_executor(handler_, executor_of(*this->pool()))),
        diag_(options.diag) {}

  static auto rebound(const Handler& handler) {
    auto alloc = recycled_allocator(handler);
    using traits = std::allocator_traits<decltype(alloc)>;
    return typename traits::template rebind_alloc<acquire_with>(alloc);
  }

  void run(acquire_ptr self) {
    acquire_outcome out;
    if (!on_turn(out)) return;
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.clear();
    Handler handler = std::move(handler_);
    diagnostics* diag = diag_;
    work_.reset();
    self = acquire_ptr{};
    Finish{}(std::move(handler), std::move(out), diag);
  }

  void destroy() noexcept override {
    auto alloc = rebound(handler_);
    this->~acquire_with();
    alloc.deallocate(this, 1);
  }

  Handler handler_;
  handler_executor<executor_type> work_;
  diagnostics* diag_;
};

struct finish_acquire {
  template <class Handler>
  void operator()(Handler handler, acquire_outcome out, diagnostics* diag) const {
    if (diag != nullptr) *diag = out.diag ? std::move(*out.diag) : diagnostics{};
    std::move(handler)(out.error, std::move(out.lease));
  }
};
struct finish_acquire_whole {
  template <class Handler>
  void operator()(Handler handler, acquire_outcome out, diagnostics*) const {
    std::move(handler)(std::move(out));
  }
};

template <class Finish>
struct start_acquire {
  template <class Handler>
  void operator()(Handler&& handler, std::shared_ptr<pool_impl> pool, op_options options) const {
    using op_type = acquire_with<std::decay_t<Handler>, Finish>;
    auto* const made = op_type::make(std::forward<Handler>(handler), std::move(pool), options);
    acquire_ptr op{made};
    made->connect_slot();
    enqueue(std::move(op));
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
