// One operation of a user's on a session: its request, its result, its handler, and the latch that decides who
// completes it. The session owns a reference until ReadyForQuery has come; the handler leaves the moment somebody wins
// the latch (contract I1, I2, I22, I26).
#pragma once

#include <lido/driver/detail/hand_over.hpp>
#include <lido/driver/detail/raw_result.hpp>
#include <lido/driver/detail/request.hpp>
#include <lido/driver/error.hpp>
#include <lido/driver/options.hpp>

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/recycling_allocator.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

enum class op_kind : std::uint8_t {
  query,
  simple,
  begin,
  commit,
  rollback,
  exchange,  // opens a stream or a COPY
  step,      // of one that is open
  describe,  // is not run
};

// unsent -> sent happens when the session takes it to the wire. From either, exactly one of the others, once.
enum class op_latch : std::uint8_t { unsent, sent, completed, cancelled, timed_out };

struct op_outcome {
  std::error_code error;
  std::unique_ptr<diagnostics> diag;                   // with an error
  raw_results results;                                 // one for extended queries, any number for simple ones
  std::unique_ptr<std::vector<diagnostics>> warnings;  // NOTICE and WARNING that came with it, bounded; null: none

  op_outcome() = default;  // not an aggregate: g++ 12 destroys temporary ones twice inside co_await
  static op_outcome failed(std::error_code ec, bool outcome_known = true);
};

class operation;

// What an operation needs of its session when it is cancelled; implemented by the engine.
class operation_owner {
 public:
  virtual void abandon(operation& op) noexcept = 0;  // the latch was won by a cancel or a deadline; `op` stays alive
  virtual void soft_cancel(operation& op) noexcept = 0;  // partial: cancel on the server, complete when quiet

 protected:
  ~operation_owner() = default;
};

class operation {
 public:
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;

  op_kind kind = op_kind::query;
  bool prepared = true;  // goes through the statement cache
  request statement;
  time_point deadline = time_point::max();
  std::uint64_t tenure = 0;
  std::size_t max_result_bytes = 0;  // 0: the session's
  op_outcome outcome;                // the session's until the latch says completed

  // ---- the latch ----
  op_latch latch() const noexcept { return latch_.load(std::memory_order_acquire); }
  bool was_sent() const noexcept { return was_sent_; }  // for the winner of the latch, and whoever it tells
  bool is_pending() const noexcept { return latch() <= op_latch::sent; }
  bool mark_sent() noexcept {
    op_latch expected = op_latch::unsent;
    return latch_.compare_exchange_strong(expected, op_latch::sent, std::memory_order_acq_rel);
  }
  // True for the one who decides how this operation ends.
  bool win(op_latch how) noexcept {
    op_latch now = latch();
    while (now <= op_latch::sent) {
      if (latch_.compare_exchange_weak(now, how, std::memory_order_acq_rel)) {
        was_sent_ = now == op_latch::sent;
        return true;
      }
    }
    return false;
  }

  // From the user's cancellation slot or a canceller; any thread (the slot only on its executor, Asio's rule).
  void cancel(asio::cancellation_type type) noexcept;
  void time_out() noexcept { finish_early(op_latch::timed_out); }

  // Hand the outcome to the handler's executor. The winner of the latch calls one of them, once.
  virtual void post() = 0;
  virtual void dispatch() = 0;

  void set_owner(std::shared_ptr<operation_owner> owner) noexcept { owner_ = std::move(owner); }

  void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

 protected:
  operation() = default;
  ~operation() = default;
  virtual void destroy() noexcept = 0;
  // What the handler gets: the session's outcome, or the reason of whoever won before it.
  [[gnu::hot]] op_outcome take_outcome();

 private:
  void finish_early(op_latch how) noexcept;
  void leave() noexcept;  // the latch is won: the handler goes first, the session learns after it

  std::atomic<op_latch> latch_{op_latch::unsent};
  std::atomic<unsigned> refs_{0};
  bool was_sent_ = false;  // written by the winner only, read by the handler it posts
  std::shared_ptr<operation_owner> owner_;
};

class op_ptr {
 public:
  op_ptr() = default;
  explicit op_ptr(operation* op) noexcept : op_(op) {
    if (op_ != nullptr) op_->add_ref();
  }
  op_ptr(op_ptr&& other) noexcept : op_(std::exchange(other.op_, nullptr)) {}
  op_ptr(const op_ptr& other) noexcept : op_ptr(other.op_) {}
  op_ptr& operator=(op_ptr other) noexcept {
    std::swap(op_, other.op_);
    return *this;
  }
  ~op_ptr() {
    if (op_ != nullptr) op_->release();
  }
  operation* get() const noexcept { return op_; }
  operation* operator->() const noexcept { return op_; }
  operation& operator*() const noexcept { return *op_; }
  explicit operator bool() const noexcept { return op_ != nullptr; }

 private:
  operation* op_ = nullptr;
};

// std::allocator says "no wish": then blocks are recycled a thread at a time, as Asio does for its own operations.
template <class Handler>
auto recycled_allocator(const Handler& handler) {
  auto chosen = asio::get_associated_allocator(handler);
  if constexpr (std::is_same_v<decltype(chosen), std::allocator<void>>) {
    return asio::recycling_allocator<void>{};
  } else {
    return chosen;
  }
}

// An operation with its handler in one block. Finish: void(Handler&&, op_outcome&, diagnostics*), turns the outcome
// into the handler's arguments.
template <class Handler, class Finish, class Executor>
class operation_with final : public operation {
 public:
  template <class H>
  static operation_with* make(H&& handler, const Finish& finish, const Executor& fallback, diagnostics* diag) {
    auto alloc = rebound(handler);
    operation_with* memory = alloc.allocate(1);
    return ::new (static_cast<void*>(memory)) operation_with(std::forward<H>(handler), finish, fallback, diag);
  }

  [[gnu::hot]] void post() override { context_.post(handler_, completion{op_ptr{this}}); }
  [[gnu::hot]] void dispatch() override { context_.dispatch(handler_, completion{op_ptr{this}}); }

  // Binds the handler's cancellation slot. After this the operation may be cancelled at any moment.
  void connect_slot() {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.assign([this](asio::cancellation_type type) { this->cancel(type); });
  }

 private:
  template <class H>
  operation_with(H&& handler, const Finish& finish, const Executor& fallback, diagnostics* diag)
      : handler_(std::forward<H>(handler)), finish_(finish), context_(handler_, fallback), diag_(diag) {}

  struct completion {
    op_ptr self;
    void operator()() { static_cast<operation_with*>(self.get())->run(std::move(self)); }
  };

  static auto rebound(const Handler& handler) {
    auto alloc = recycled_allocator(handler);
    using traits = std::allocator_traits<decltype(alloc)>;
    return typename traits::template rebind_alloc<operation_with>(alloc);
  }

  [[gnu::hot]] void run(op_ptr self) {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.clear();  // before the handler, which may use the slot again
    if constexpr (is_coroutine<Handler>) {
      // Straight into its frame, over an empty one, which owns nothing.
      deliver(std::move(self), *::new (static_cast<void*>(&handler_.outcome())) op_outcome(take_outcome()));
    } else {
      op_outcome out = take_outcome();
      deliver(std::move(self), out);
    }
  }

  void deliver(op_ptr self, op_outcome& out) {
    Handler handler = std::move(handler_);
    Finish finish = std::move(finish_);
    diagnostics* diag = diag_;
    context_.reset();
    self = op_ptr{};  // memory goes back before the handler runs, so that the handler's next operation finds it (Asio's
                      // rule)
    finish(std::move(handler), out, diag);
  }

  void destroy() noexcept override {
    auto alloc = rebound(handler_);
    this->~operation_with();
    alloc.deallocate(this, 1);
  }

  Handler handler_;
  [[no_unique_address]] Finish finish_;
  [[no_unique_address]] handler_context<Handler, Executor> context_;
  diagnostics* diag_;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
