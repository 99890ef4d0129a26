#include "driver/cancel/cancel_request.hpp"

#include "driver/cancel/parking.hpp"
#include "driver/transport/call_gate.hpp"
#include "driver/wire/frontend.hpp"

#include <lido/driver/error.hpp>

#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <string.h>

#include <array>
#include <chrono>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

namespace lido::cancel {
namespace {

constexpr std::chrono::seconds longest_parking{60};
// What a parked server may still say; a flood is closed.
constexpr std::size_t parked_bytes = 64U << 10;

session::cancel_phase phase_of(transport::dial_phase phase) noexcept {
  switch (phase) {
    case transport::dial_phase::resolve: return session::cancel_phase::resolve;
    case transport::dial_phase::connect: return session::cancel_phase::connect;
    default: return session::cancel_phase::tls;
  }
}

secret packet_for(std::uint32_t process_id, const secret& key) {
  std::string bytes;
  bytes.reserve(12 + key.reveal().size());  // no reallocation: it would leave a copy of the key behind
  wire::append_cancel_request(bytes, process_id, key.reveal());
  secret packet{std::string_view(bytes)};
  ::explicit_bzero(bytes.data(), bytes.size());
  return packet;
}

class request final : public cancel_request, private parked {
 public:
  request(asio::any_io_executor executor, transport::peer peer, secret packet, owner who)
      : executor_(executor),
        peer_(std::move(peer)),
        packet_(std::move(packet)),
        owner_(std::move(who)),
        timer_(executor) {}

  void begin();
  void drop() noexcept override;
  void park() noexcept override;

 private:
  enum class step { dialling, asking, writing, awaiting_eof, parked, over };
  struct stay;

  session::cancel_phase phase() const noexcept override;

  std::shared_ptr<request> self() { return std::static_pointer_cast<request>(shared_from_this()); }
  void on_dialled(transport::dial_result result);
  bool may_write();
  void write();
  void on_room(std::error_code ec);
  void receive();
  void on_received(std::error_code ec, std::size_t n);
  void on_parked_input(const transport::io_result& got);
  void end(outcome what);
  void close() noexcept;
  void drop_dialler() noexcept;
  void evict() noexcept override;

  const asio::any_io_executor executor_;
  transport::peer peer_;
  secret packet_;
  owner owner_;  // called while its gate is open
  transport::call_gate gate_;

  mutable std::mutex mutex_;
  step step_ = step::dialling;
  std::weak_ptr<transport::dialler> dialler_;  // set once; lives by its own handlers, which hold us
  transport::stream stream_;
  std::size_t written_ = 0;
  std::size_t parked_input_ = 0;
  asio::steady_timer timer_;  // of the parking
  std::array<char, 64> room_;
};

session::cancel_phase request::phase() const noexcept {
  const std::lock_guard lock(mutex_);
  switch (step_) {
    case step::dialling: {
      const auto dialling = dialler_.lock();
      return dialling ? phase_of(dialling->phase()) : session::cancel_phase::connect;
    }
    case step::asking:
    case step::writing: return session::cancel_phase::write;
    default: return session::cancel_phase::eof;
  }
}

// ---- dial ----

void request::begin() {
  transport::dial_target target;
  target.same_peer = peer_;
  dialler_ = transport::dialler::start(executor_, std::move(target), [me = self()](transport::dial_result result) {
    me->on_dialled(std::move(result));
  });
}

void request::on_dialled(transport::dial_result result) {
  if (result.error) return end({false, phase_of(result.phase), result.error});
  {
    const std::lock_guard lock(mutex_);
    if (step_ != step::dialling) return;
    step_ = step::asking;
    stream_ = std::move(result.stream);
  }
  if (may_write()) return write();
  const std::lock_guard lock(mutex_);
  close();
}

// ---- write ----

bool request::may_write() {
  const transport::call_gate::pass pass(gate_);
  return pass && owner_.may_write();
}

void request::write() {
  std::error_code failure;
  {
    const std::lock_guard lock(mutex_);
    if (step_ != step::asking && step_ != step::writing) return;
    step_ = step::writing;
    const auto sent = stream_.write_some(packet_.reveal().substr(written_));
    written_ += sent.bytes;
    failure = sent.error;
    if (sent.would_block) {
      return stream_.async_wait_writable([me = self()](std::error_code ec) { me->on_room(ec); });
    }
    if (!failure) {
      packet_.wipe();
      step_ = step::awaiting_eof;
      return receive();
    }
  }
  end({false, session::cancel_phase::write, failure});
}

void request::on_room(std::error_code /*ec: the next write tells*/) { write(); }

// ---- the server's end ----

// Our side stays open: libpq waits like this, and what goes between may take a FIN for a client that gave up.
void request::receive() {
  stream_.async_receive(asio::buffer(room_),
                        [me = self()](std::error_code ec, std::size_t n) { me->on_received(ec, n); });
}

void request::on_received(std::error_code ec, std::size_t n) {
  outcome what{false, session::cancel_phase::eof, {}};
  {
    const std::lock_guard lock(mutex_);
    if (step_ != step::awaiting_eof && step_ != step::parked) return;
    const auto got = stream_.accept(asio::buffer(room_), ec, n);
    if (step_ == step::parked) return on_parked_input(got);
    what.eof = got.bytes == 0 && got.error == asio::error::eof;
    // TLS may have sent us what is no data: tickets.
    if (got.bytes == 0 && !got.error) return receive();
    // A server that answers a CancelRequest is no PostgreSQL that has just sent the signal (some gateways refuse with a
    // message).
    if (!what.eof) what.error = got.error ? got.error : make_error_code(errc::protocol_error);
  }
  end(what);
}

void request::end(outcome what) {
  {
    const std::lock_guard lock(mutex_);
    if (step_ == step::over || step_ == step::parked) return;
    close();
  }
  const transport::call_gate::pass pass(gate_);
  if (pass) owner_.ended(what);
}

void request::close() noexcept {
  step_ = step::over;
  packet_.wipe();
  stream_.close();
  timer_.cancel();
}

void request::drop() noexcept {
  evict();
  drop_dialler();
  gate_.close();
}

// Not under our lock: it waits for on_dialled().
void request::drop_dialler() noexcept {
  if (const auto dialler = dialler_.lock()) dialler->cancel();
}

// ---- parked ----

// What the parking's timer holds: the place, and this alive.
struct request::stay {
  std::shared_ptr<request> guest;
  parking_place place;

  explicit stay(std::shared_ptr<request> who) : guest(std::move(who)), place(*guest) {}
  void operator()(std::error_code /*ec: over either way*/) {
    const std::lock_guard lock(guest->mutex_);
    guest->close();
  }
};

void request::park() noexcept {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (step_ == step::parked) return;
    // Before its last byte there is no CancelRequest that somebody might be handing on.
    first = step_ == step::awaiting_eof;
    if (first) {
      step_ = step::parked;
    } else {
      close();
    }
  }
  drop_dialler();
  gate_.close();
  if (!first) return;
  try {
    stay here(self());  // without our lock: it may evict another, under the parking's
    const std::lock_guard lock(mutex_);
    if (step_ != step::parked) return;
    timer_.expires_after(longest_parking);
    timer_.async_wait(std::move(here));
  } catch (const std::exception&) {  // no memory for a place or a timer
    evict();
  }
}

void request::on_parked_input(const transport::io_result& got) {
  parked_input_ += got.bytes;
  if (got.error || parked_input_ > parked_bytes) return close();
  receive();
}

void request::evict() noexcept {
  const std::lock_guard lock(mutex_);
  close();
}

}  // namespace

std::shared_ptr<cancel_request> cancel_request::start(asio::any_io_executor executor, transport::peer peer,
                                                      std::uint32_t process_id, const secret& key, owner who) {
  auto made =
      std::make_shared<request>(std::move(executor), std::move(peer), packet_for(process_id, key), std::move(who));
  made->begin();
  return made;
}

}  // namespace lido::cancel
