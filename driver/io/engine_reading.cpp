// From the socket to process(): when a receive is pending, when the socket is asked once more, and when it is left
// alone.
//
// One receive is always pending (design decision 2). Where an owner looks after the session, it is of the kind that
// does not ask a socket which it has just emptied: a fifth of the system calls of a small query. What it misses is an
// end that came with the last bytes, of which epoll has nothing new to say. So while the server owes an answer the
// socket is asked here; behind an answer the owner asks, by look_for_end(), once the lease is over and nobody takes the
// session.
#include "driver/io/engine.hpp"

#include <asio/error.hpp>
#include <asio/post.hpp>

#include <chrono>
#include <utility>

namespace lido::io {

using detail::lock;

namespace {

constexpr unsigned receives_in_a_row = 4;  // then others have their turn

}  // namespace

void engine::receive() {
  in_.make_room();
  auto handler = [self = weak_from_this()](const std::error_code& ec, std::size_t n) {
    if (const auto me = self.lock()) me->on_received(ec, n);
  };
  owner_looks_ ? stream_.async_receive_whole(in_.room(), std::move(handler))
               : stream_.async_receive(in_.room(), std::move(handler));
}

void engine::on_received(std::error_code ec, std::size_t n) {
  // Behind what the answer sets off, the next request among it: a busy io_context then often finds the next answer
  // there already, which saves the way through epoll. Also when a handler throws (I27).
  detail::handler_tail tail(place_);
  aftermath after;
  {
    const lock guard(mutex_);
    if (link_ == link_state::closed) return;
    try {
      const bool was_stopped = ec == asio::error::operation_aborted && asks_;  // by ask_again()
      if (!was_stopped) {
        end_may_hide_.store(false, std::memory_order_relaxed);
        take_bytes(stream_.accept(in_.room(), ec, n), after);
      }
      read_on(after);
    } catch (const std::bad_alloc&) {  // what came cannot be kept, or nobody would read on: nobody may wait for it
      if (link_ != link_state::closed) lost(std::make_error_code(std::errc::not_enough_memory), after);
    }
  }
  after.run();
  tail.run();
}

void engine::take_bytes(transport::io_result r, aftermath& after) {
  for (;;) {
    const bool filled = r.bytes == in_.room().size();
    in_.commit(r.bytes);
    bytes_received_.add(r.bytes);
    if (settle_.active() && r.bytes > 0) perform(settle_.received(r.bytes, steady_now()), after);
    process(after);
    if (filled) in_.was_filled();
    if (r.error) return lost(r.error, after);
    if (r.would_block || link_ == link_state::closed) return;
    in_.make_room();
    r = stream_.more(in_.room());
  }
}

// No receive is pending. Asks the socket while something is to be expected of it, then waits. An end is told a turn
// behind what came before it.
void engine::read_on(aftermath& after) {
  for (unsigned n = 0; link_ != link_state::closed && !holds_reading(); ++n) {
    if (!asks_ && (!owner_looks_ || (end_may_hide() && !is_owed()))) return receive();
    if (n == receives_in_a_row || after.ended) return read_later();
    in_.make_room();
    const transport::io_result r = stream_.receive_now(in_.room());
    if (r.would_block) {
      asks_ = false;
      return receive();
    }
    take_bytes(r, after);
  }
}

bool engine::is_owed() const {
  return link_ != link_state::open || traffic_ != traffic::none || queued_ || settle_.active();
}

void engine::read_later() {
  asks_ = true;
  asio::post(executor_, [self = weak_from_this()] {
    if (const auto me = self.lock()) me->on_turn_to_read();
  });
}

void engine::on_turn_to_read() {
  detail::handler_tail tail(place_);
  aftermath after;
  {
    const lock guard(mutex_);
    try {
      read_on(after);
    } catch (const std::bad_alloc&) {
      if (link_ != link_state::closed) lost(std::make_error_code(std::errc::not_enough_memory), after);
    }
  }
  after.run();
  tail.run();
}

bool engine::holds_reading() {
  if (!in_exchange() || !exchange_->full()) return false;
  reading_held_ = true;
  return true;
}

void engine::resume_reading() {
  if (!reading_held_ || link_ == link_state::closed || (exchange_ && in_exchange() && exchange_->full())) return;
  reading_held_ = false;
  read_later();
}

// ---- an end that came with the last bytes ----

void engine::leave_looking_to_owner() noexcept {
  const lock guard(mutex_);
  owner_looks_ = true;
}

void engine::look_for_end() noexcept {
  const lock guard(mutex_);
  look();
}

// The reader alone reads: when there is something it is woken, and finds it.
void engine::look() noexcept {
  if (!end_may_hide()) return;
  if (stream_.has_news()) return ask_again();
  if (!is_owed()) end_may_hide_.store(false, std::memory_order_relaxed);
}

void engine::ask_again() noexcept {
  if (asks_ || reading_held_) return;  // the reader will, by itself
  asks_ = true;
  stream_.cancel_receive();
}

}  // namespace lido::io
