// Somebody waiting for a lease: the handler, and what the pool keeps of it. The handler runs on its own executor; only
// there it is decided whether it gets the lease that was set aside for it (contract I10).
#pragma once

#include <lido/driver/detail/hand_over.hpp>
#include <lido/driver/detail/handler_tail.hpp>
#include <lido/driver/detail/operation.hpp>
#include <lido/driver/options.hpp>
#include <lido/pool/acquire_options.hpp>
#include <lido/pool/lease.hpp>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/query.hpp>
#include <asio/system_executor.hpp>

#include <cstddef>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

// Why there is no lease, when there is more to say than a code.
struct acquire_failure {
  std::error_code error;
  diagnostics diag;
};

class acquire_node;  // the core's waiter and its bookkeeping; private to the pool

// Somebody who asks for a lease. Exactly one at a time owns it: whoever runs it (before it is queued, and while the
// handler runs), the pool's queue, or whoever took it out of there and is about to post(); the one in possession is the
// only one who may end it, so it needs no count of references.
class acquire_op {
 public:
  acquire_op(const acquire_op&) = delete;
  acquire_op& operator=(const acquire_op&) = delete;

  virtual void post() = 0;           // its turn has come: run on_turn() on the handler's executor
  virtual void drop() noexcept = 0;  // its io_context goes: destroy the handler, uncalled
  void cancel() noexcept;            // any thread that knows it to be waiting

  acquire_node& node() noexcept { return *reinterpret_cast<acquire_node*>(&storage_); }
  const acquire_node& node() const noexcept { return *reinterpret_cast<const acquire_node*>(&storage_); }
  const std::shared_ptr<pool_impl>& pool() const noexcept { return pool_; }

 protected:
  // The context is the caller's: its own connections are preferred.
  acquire_op(std::shared_ptr<pool_impl> pool, const acquire_terms& terms, const asio::execution_context* context,
             time_point asked) noexcept
      : pool_(std::move(pool)), wanted_{terms, asked, context} {}
  // Before it is queued, which nothing knows of it by then.
  acquire_op(acquire_op&& other) noexcept : pool_(std::move(other.pool_)), wanted_(other.wanted_) {}
  ~acquire_op() {
    if (has_node_) forget();
  }

  void prefer(const asio::execution_context* context) noexcept { wanted_.context = context; }
  [[gnu::hot]] bool try_now() noexcept;  // without waiting; true: lease_ is there
  [[gnu::hot]] void enqueue() noexcept;  // completes through post(), never inside
  // True: lease_ or error() is final. False: what was granted has died meanwhile; it waits again, and belongs to the
  // pool.
  [[gnu::hot]] bool on_turn();
  [[gnu::hot]] std::error_code error() const noexcept;
  diagnostics take_diag() { return failure_ ? std::move(failure_->diag) : diagnostics{}; }
  [[noreturn]] void throw_failure();

  lido::lease lease_;

 private:
  friend class pool_impl;
  void forget() noexcept;

  struct wish {
    acquire_terms terms;
    time_point asked;  // when it was tried without waiting; 0: it was not
    const asio::execution_context* context;
  };
  static constexpr std::size_t node_size = 96;

  std::shared_ptr<pool_impl> pool_;  // moves into the lease
  std::unique_ptr<acquire_failure> failure_;
  bool has_node_ = false;
  union {  // most acquires never wait
    wish wanted_;
    alignas(8) std::byte storage_[node_size];
  };
};

template <class Executor>
const asio::execution_context* context_of(const Executor& executor) noexcept {
  if constexpr (asio::can_query<Executor, asio::execution::context_t>::value) {
    return &asio::query(executor, asio::execution::context);
  } else {
    return nullptr;
  }
}

asio::any_io_executor executor_of(const pool_impl& pool);
[[gnu::hot]] bool prefers_shards(const pool_impl& pool) noexcept;

// With a handler: void(std::error_code, lease).
template <class Handler>
class acquire_with final : public acquire_op {
 public:
  static void start(Handler handler, std::shared_ptr<pool_impl> pool, const acquire_terms& terms, diagnostics* diag) {
    auto alloc = rebound(handler);
    acquire_with* const memory = alloc.allocate(1);
    auto* const made =
        ::new (static_cast<void*>(memory)) acquire_with(std::move(handler), std::move(pool), terms, diag);
    auto slot = asio::get_associated_cancellation_slot(made->handler_);
    if (slot.is_connected()) slot.assign([made](asio::cancellation_type) { made->cancel(); });
    made->enqueue();
  }

  void post() override { context_.post(handler_, turn(*this)); }
  void drop() noexcept override {
    auto alloc = rebound(handler_);
    this->~acquire_with();
    alloc.deallocate(this, 1);
  }

 private:
  struct dropped {
    void operator()(acquire_with* op) const noexcept { op->drop(); }
  };
  struct turn {
    std::unique_ptr<acquire_with, dropped> self;
    explicit turn(acquire_with& op) noexcept : self(&op) {}
    void operator()() {
      if (self->on_turn()) return run(std::move(self));
      self.release();  // NOLINT(bugprone-unused-return-value): it is the pool's again
    }
  };

  acquire_with(Handler handler, std::shared_ptr<pool_impl> pool, const acquire_terms& terms, diagnostics* diag)
      : acquire_op(std::move(pool), terms, context_of(asio::get_associated_executor(handler, asio::system_executor())),
                   {}),
        handler_(std::move(handler)),
        context_(handler_, executor_of(*this->pool())),
        diag_(diag) {}

  static auto rebound(const Handler& handler) {
    auto alloc = recycled_allocator(handler);
    using traits = std::allocator_traits<decltype(alloc)>;
    return typename traits::template rebind_alloc<acquire_with>(alloc);
  }

  static void run(std::unique_ptr<acquire_with, dropped> self) {
    auto slot = asio::get_associated_cancellation_slot(self->handler_);
    if (slot.is_connected()) slot.clear();
    Handler handler = std::move(self->handler_);
    const std::error_code ec = self->error();
    lido::lease lease = std::move(self->lease_);
    if (self->diag_ != nullptr) *self->diag_ = self->take_diag();
    self->context_.reset();
    self.reset();  // memory goes back before the handler runs (Asio's rule)
    std::move(handler)(ec, std::move(lease));
  }

  Handler handler_;
  [[no_unique_address]] handler_context<Handler, asio::any_io_executor> context_;
  diagnostics* diag_;
};

// In a coroutine of type asio::awaitable<T>, and in its frame; as a parameter it is there once, where the pool and the
// terms would be there beside it:
//
//   asio::awaitable<lease> co_lease(acquire_in<lease> op) {
//     if (!op.is_ready()) co_await op.wait();
//     co_return std::move(op.lease_or_throw());
//   }
template <class T>
class acquire_in final : public acquire_op {
 public:
  acquire_in(std::shared_ptr<pool_impl> pool, const acquire_terms& terms,
             const asio::execution_context* context = nullptr, time_point asked = {}) noexcept
      : acquire_op(std::move(pool), terms, context, asked) {}
  acquire_in(acquire_in&& other) noexcept : acquire_op(std::move(other)) {}  // before it waits
  acquire_in& operator=(acquire_in&&) = delete;
  ~acquire_in() {}  // NOLINT(modernize-use-equals-default): with a union there is no default

  using acquire_op::prefer;  // before is_ready(): the caller's io_context, which only its coroutine knows
  bool is_ready() noexcept { return try_now(); }
  std::error_code failure() const noexcept { return error(); }
  auto wait() noexcept { return suspend<T>(*this); }
  lido::lease& lease_or_throw() {
    if (error()) throw_failure();
    return lease_;
  }

  void operator()(typename suspended<T>::thread* waiting) {
    std::construct_at(&waiting_, waiting);
    auto slot = waiting_.get_cancellation_slot();
    if (slot.is_connected()) slot.assign([this](asio::cancellation_type) { this->cancel(); });
    enqueue();
  }

  [[gnu::hot]] void post() override {
    const asio::any_io_executor executor = waiting_.get_executor();
    const auto* const io = inside<asio::io_context::executor_type>(executor);
    if (io == nullptr) return asio::post(executor, turn(*this));
    if (!handler_tail::add(io->context(), *this)) asio::post(*io, turn(*this));
  }
  void post_later() { asio::post(waiting_.get_executor(), turn(*this)); }
  void run_now() { turn{*this}(); }
  void drop() noexcept override { const auto coroutine = take(); }

 private:
  struct turn {
    acquire_in* self;
    explicit turn(acquire_in& op) noexcept : self(&op) {}
    turn(turn&& other) noexcept : self(std::exchange(other.self, nullptr)) {}
    turn& operator=(turn&&) = delete;
    ~turn() {
      if (self != nullptr) self->drop();
    }
    void operator()() {
      acquire_in* const op = std::exchange(self, nullptr);
      if (op->on_turn()) op->take().resume();
    }
  };

  // Once it is taken, it is a local variable's: the frame that this lives in may go any moment.
  suspended<T> take() noexcept { return std::move(waiting_); }

  union {
    suspended<T> waiting_;  // from operator() to take(), which leaves nothing to destroy
  };
};

struct start_acquire {
  template <class Handler>
  void operator()(Handler&& handler, std::shared_ptr<pool_impl> pool, const acquire_terms& terms,
                  diagnostics* diag) const {
    acquire_with<std::decay_t<Handler>>::start(std::forward<Handler>(handler), std::move(pool), terms, diag);
  }
};

inline acquire_terms terms_of(const op_options& plain, const std::source_location& where) noexcept {
  return {.deadline = plain.deadline, .place = where};
}
acquire_terms terms_of(pool_impl& pool, const acquire_options& options) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace lido
