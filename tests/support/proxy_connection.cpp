#include "tests/support/proxy_connection.hpp"

#include "tests/support/backend_messages.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace lido::testing {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view control_mark = "lido: control session";
constexpr std::uint32_t cancel_request_code = 80877102;
constexpr std::uint32_t ssl_request_code = 80877103;
constexpr std::uint32_t gss_request_code = 80877104;
constexpr std::size_t header_size = 8;
constexpr std::size_t largest_startup = 10000;  // the server's own limit
constexpr auto no_limit = std::numeric_limits<std::uint64_t>::max();
constexpr std::string_view ssl_request{"\0\0\0\x08\x04\xd2\x16\x2f", header_size};

std::uint32_t number_at(std::string_view bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = offset; i < offset + 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

proxy_connection::proxy_connection(proxy_state& state, proxy_stream::socket client)
    : state_{state}, client_{std::move(client)}, server_{proxy_stream::socket{state.io}} {
  const auto plan = state_.plan();
  fault_ = plan.fault;
  delay_ = plan.delay;
  releases_ = plan.releases;
  const bool full = plan.expected_main && state_.counters().active_main >= *plan.expected_main;
  state_.connections.insert(this);
  state_.count([](proxy_counters& counters) { ++counters.accepted, ++counters.active_main; });
  if (plan.new_connections_are_cancels || full) become(role::cancel);
}

proxy_connection::~proxy_connection() {
  state_.connections.erase(this);
  state_.count(
      [this](proxy_counters& counters) { --(role_ == role::cancel ? counters.active_cancel : counters.active_main); });
  state_.roles_changed();
}

void proxy_connection::become(role kind) {
  if (role_ == kind) return;
  state_.count([&](proxy_counters& counters) {
    if (role_ == role::cancel) --counters.active_cancel, --counters.cancels_seen, ++counters.active_main;
    if (kind == role::cancel) ++counters.active_cancel, ++counters.cancels_seen, --counters.active_main;
    if (kind == role::main) ++counters.main_seen;
  });
  role_ = kind;
  state_.roles_changed();
}

void proxy_connection::end(connection_end how) {
  switch (how) {
    case connection_end::reset:
      client_.reset();
      server_.reset();
      return;
    case connection_end::close:
      client_.close();
      server_.close();
      return;
    case connection_end::stall: return;
  }
}

asio::awaitable<void> proxy_connection::run(std::shared_ptr<proxy_connection> self) {
  const bool unwelcome = self->fault_ == cancel_fault::reset || self->fault_ == cancel_fault::refuse;
  if (self->role_ == role::cancel && unwelcome) {
    self->client_.reset();
    co_return;
  }
  const auto opened = co_await self->read_opening();
  if (opened == opening::gone) co_return;
  if (opened == opening::packet) {
    const bool cancel = number_at(self->packet_, 4) == cancel_request_code;
    self->become(cancel ? role::cancel : role::main);
    if (cancel) {
      co_await self->serve_cancel();
      co_return;
    }
  } else if (self->role_ == role::cancel) {
    // Nothing can be seen of it, but its time can be chosen.
    if (self->fault_ == cancel_fault::delay) co_await self->wait_for(self->delay_);
    if (self->fault_ == cancel_fault::hold) co_await self->wait_for_release();
  } else {
    self->become(role::main);
  }
  co_await self->relay();
}

asio::awaitable<proxy_connection::opening> proxy_connection::read_opening() {
  for (;;) {
    packet_.assign(header_size, '\0');
    const auto error = co_await client_.read_exactly(packet_);
    if (error) co_return opening::gone;
    switch (number_at(packet_, 4)) {
      case gss_request_code: co_await client_.write("N"); break;
      case ssl_request_code: {
        const auto next = co_await answer_ssl_request();
        if (next != opening::packet) co_return next;
        break;
      }
      default: {
        const bool complete = co_await read_rest_of_packet();
        co_return complete ? opening::packet : opening::gone;
      }
    }
  }
}

asio::awaitable<bool> proxy_connection::read_rest_of_packet() {
  const std::size_t size = number_at(packet_, 0);
  if (size < header_size || size > largest_startup) co_return false;
  packet_.resize(size);
  const std::span<char> rest{packet_.data() + header_size, size - header_size};
  const auto error = co_await client_.read_exactly(rest);
  co_return !error;
}

asio::awaitable<proxy_connection::opening> proxy_connection::answer_ssl_request() {
  auto* context = state_.right_context ? &*state_.right_context : nullptr;
  if (role_ == role::cancel) {
    switch (fault_) {
      case cancel_fault::close_on_ssl_request:
      case cancel_fault::garbage_answer:
      case cancel_fault::error_response_instead_of_s:
      case cancel_fault::silent_before_s: co_await misbehave(); co_return opening::gone;
      case cancel_fault::close_after_s:
      case cancel_fault::silent_after_s:
        co_await client_.write("S");
        co_await misbehave();
        co_return opening::gone;
      case cancel_fault::wrong_certificate:
        if (state_.wrong_context) context = &*state_.wrong_context;
        break;
      default: break;
    }
  }
  if (context == nullptr) co_return opening::opaque;
  co_await client_.write("S");
  const auto error = co_await client_.start_tls(*context, asio::ssl::stream_base::server);
  co_return error ? opening::gone : opening::packet;
}

// What a cancel connection gets when its request is not to arrive.
asio::awaitable<void> proxy_connection::misbehave() {
  switch (fault_) {
    case cancel_fault::garbage_answer: co_await client_.write("\x7f\x13garbage"sv); break;
    case cancel_fault::error_response_instead_of_s: {
      const auto text = error_response("FATAL", "08P01", "the proxy answers with an error");
      co_await client_.write(text);
      break;
    }
    case cancel_fault::silent_before_s:
    case cancel_fault::silent_after_s:
    case cancel_fault::black_hole: co_await client_.ignore_until_closed(); break;
    default: break;
  }
  co_await client_.finish();
}

asio::awaitable<void> proxy_connection::serve_cancel() {
  switch (fault_) {
    case cancel_fault::none:
    case cancel_fault::never_answer:
    case cancel_fault::reset_after_write:
    case cancel_fault::truncate_tls: break;
    case cancel_fault::delay: co_await wait_for(delay_); break;
    case cancel_fault::hold: co_await wait_for_release(); break;
    case cancel_fault::duplicate: co_await forward_cancel(); break;
    case cancel_fault::refuse:
    case cancel_fault::reset: client_.reset(); co_return;
    default: co_await misbehave(); co_return;
  }
  const bool forwarded = co_await forward_cancel();
  if (!forwarded) co_return;
  if (fault_ == cancel_fault::never_answer) co_await client_.ignore_until_closed();
  if (fault_ == cancel_fault::reset_after_write) client_.reset();
  if (fault_ == cancel_fault::truncate_tls) client_.close();
  co_await client_.finish();
}

// To the server's EOF, as a transparent middlebox would have it. Whoever gave up meanwhile changes nothing here: the
// request is on its way.
asio::awaitable<bool> proxy_connection::forward_cancel() {
  const bool connected = co_await connect_server(client_.encrypted());
  if (!connected) co_return false;
  auto error = co_await server_.write(packet_);
  std::array<char, 256> buffer;
  while (!error) co_await server_.read_some(buffer, error);
  if (error != asio::error::eof && error != asio::ssl::error::stream_truncated) {
    client_.reset();
    co_return false;
  }
  state_.count([](proxy_counters& counters) { ++counters.cancels_forwarded; });
  co_return true;
}

asio::awaitable<void> proxy_connection::wait_for_release() {
  state_.count([](proxy_counters& counters) { ++counters.held; });
  while (state_.plan().releases == releases_) {
    std::error_code ignored;
    co_await state_.plan_changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  state_.count([](proxy_counters& counters) { --counters.held; });
}

asio::awaitable<void> proxy_connection::wait_for(std::chrono::milliseconds time) {
  std::error_code ignored;
  asio::steady_timer timer{state_.io, time};
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<bool> proxy_connection::connect_server(bool encrypted) {
  server_.reopen();
  auto error = co_await server_.connect(state_.server);
  if (!error && encrypted && state_.encrypt_to_server) {
    std::array<char, 1> answer{};
    error = co_await server_.write(ssl_request);
    if (!error) error = co_await server_.read_exactly(answer);
    if (!error && answer[0] != 'S') error = asio::error::connection_refused;
    if (!error) error = co_await server_.start_tls(state_.client_context, asio::ssl::stream_base::client);
  }
  if (error) client_.reset();
  co_return !error;
}

asio::awaitable<void> proxy_connection::relay() {
  const bool connected = co_await connect_server(client_.encrypted());
  if (!connected) co_return;
  const bool begun = co_await forward(direction::to_server, packet_);
  if (!begun) co_return;
  asio::co_spawn(state_.io, answer(shared_from_this()), asio::detached);
  co_await pump(direction::to_server);
}

asio::awaitable<void> proxy_connection::answer(std::shared_ptr<proxy_connection> self) {
  co_await self->pump(direction::to_client);
}

asio::awaitable<void> proxy_connection::pump(direction way) {
  auto& source = way == direction::to_server ? client_ : server_;
  std::vector<char> buffer(16 * 1024);
  for (;;) {
    std::error_code error;
    const auto size = co_await source.read_some(buffer, error);
    if (error) {
      co_await ended(way, error);
      co_return;
    }
    const std::string_view bytes{buffer.data(), size};
    const bool forwarded = co_await forward(way, bytes);
    if (!forwarded) co_return;
  }
}

asio::awaitable<bool> proxy_connection::forward(direction way, std::string_view bytes) {
  auto& target = way == direction::to_server ? server_ : client_;
  const auto plan = state_.plan();
  const bool main = role_ == role::main;
  control_ = control_ || (way == direction::to_server && bytes.find(control_mark) != std::string_view::npos);
  if (control_ && plan.on_control != control_fault::none) {
    const bool is_over = co_await break_control(way, bytes);
    if (is_over) co_return false;
  }
  const auto latency = way == direction::to_server ? plan.shape.latency_to_server : plan.shape.latency_to_client;
  if (main && latency.count() > 0) co_await wait_for(latency);
  while (!bytes.empty()) {
    if (main) co_await wait_while_stalled();
    const auto now = state_.plan();
    const auto slice = main && now.shape.slice != 0 ? now.shape.slice : bytes.size();
    const auto allowed = main ? bytes_before_cut(way, now) : no_limit;
    const auto part = bytes.substr(0, std::min<std::uint64_t>(slice, allowed));
    const auto error = co_await target.write(part);
    if (error) {
      end(connection_end::reset);
      co_return false;
    }
    forwarded_[static_cast<std::size_t>(way)] += part.size();
    bytes.remove_prefix(part.size());
    if (part.size() == allowed) {
      end(now.cut->end);
      if (now.cut->end == connection_end::stall) co_await client_.ignore_until_closed();
      co_return false;
    }
  }
  co_return true;
}

// True: the connection has ended, or goes on without these bytes in this direction for ever.
asio::awaitable<bool> proxy_connection::break_control(direction way, std::string_view bytes) {
  const bool is_answer = way == direction::to_client;
  switch (state_.plan().on_control) {
    case control_fault::none: co_return false;
    case control_fault::hold:
      if (!is_answer) co_return false;
      releases_ = state_.plan().releases;
      co_await wait_for_release();
      co_return false;
    case control_fault::swallow: break;
    case control_fault::swallow_silent: co_await client_.ignore_until_closed(); break;
    case control_fault::lose_answer:
      if (!is_answer) co_return false;
      break;
    case control_fault::lose_silent:
      if (!is_answer) co_return false;
      co_return true;  // nobody reads on from the server
    case control_fault::cut_answer:
      if (!is_answer) co_return false;
      co_await client_.write(bytes.substr(0, bytes.size() / 2));
      break;
    case control_fault::garbage_answer:
      if (!is_answer) co_return false;
      co_await client_.write("\x7f\x13garbage that is no answer"sv);
      break;
  }
  end(connection_end::close);
  co_return true;
}

std::uint64_t proxy_connection::bytes_before_cut(direction way, const proxy_plan& plan) {
  if (!plan.cut || plan.cut->way != way) return no_limit;
  auto& count = forwarded_[static_cast<std::size_t>(way)];
  if (std::exchange(cut_number_, plan.cut->number) != plan.cut->number) count = 0;
  return plan.cut->bytes - std::min(plan.cut->bytes, count);
}

asio::awaitable<void> proxy_connection::wait_while_stalled() {
  while (state_.plan().stalled) {
    std::error_code ignored;
    co_await state_.plan_changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

// An end travels as what it was: FIN as FIN after all bytes before it, everything else as RST. The client's FIN leaves
// the other direction open, so that it sees the server's own EOF and no earlier one.
asio::awaitable<void> proxy_connection::ended(direction way, std::error_code error) {
  if (error == asio::error::operation_aborted) co_return;
  const bool orderly = error == asio::error::eof || error == asio::ssl::error::stream_truncated;
  if (!orderly) {
    end(connection_end::reset);
  } else if (way == direction::to_server) {
    server_.half_close();
  } else {
    co_await client_.finish();
    server_.close();
  }
}

}  // namespace lido::testing
