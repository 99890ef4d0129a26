// A control session's statement on its way to the server and back, in the protocol's bytes.
#include "pool/recovery/control_statement.hpp"
#include "tests/simulation/real/session.hpp"

#include <lido/driver/error.hpp>

#include <asio/post.hpp>

#include <array>
#include <charconv>
#include <utility>

namespace simulation {

using detail::op_latch;
using detail::op_outcome;
using namespace std::chrono_literals;

namespace {

std::uint32_t big_endian(std::string_view four) {
  std::uint32_t n = 0;
  for (const char c : four) n = n << 8U | static_cast<unsigned char>(c);
  return n;
}

// The elements of an array literal without quotes.
std::vector<std::string> elements(std::string_view literal) {
  std::vector<std::string> all;
  literal = literal.substr(1, literal.size() - 2);
  while (!literal.empty()) {
    const std::size_t comma = literal.find(',');
    all.emplace_back(literal.substr(0, comma));
    literal = comma == std::string_view::npos ? std::string_view() : literal.substr(comma + 1);
  }
  return all;
}

template <class Int>
Int number(const std::string& text) {
  Int n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

std::vector<control_call::row> rows_of(std::string_view values) {
  std::array<std::vector<std::string>, 5> columns;
  for (auto& column : columns) {
    const std::size_t n = big_endian(values.substr(0, 4));
    column = elements(values.substr(4, n));
    values.remove_prefix(4 + n);
  }
  const auto& [pids, started, addresses, ports, kills] = columns;
  std::vector<control_call::row> rows(pids.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].pid = number<std::int32_t>(pids[i]);
    if (started[i] != "NULL") rows[i].started = number<std::int64_t>(started[i]);
    if (addresses[i] != "NULL") rows[i].end.address = addresses[i];
    rows[i].end.port = number<std::int32_t>(ports[i]);
    rows[i].kill = kills[i] == "t";
  }
  return rows;
}

template <class Int>
void put(std::string& out, std::optional<Int> value, std::size_t size) {
  const std::uint32_t length = value ? static_cast<std::uint32_t>(size) : ~0U;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xffU);
  for (std::size_t i = size; value && i-- > 0;)
    out += static_cast<char>(static_cast<std::uint64_t>(*value) >> 8 * i & 0xffU);
}

}  // namespace

// A watch's question: what the host is, since when, and how far behind.
void simulated_session::ask_role() {
  if (server_.chance(server_.today.swallows)) return;
  soon(5ms, [turn = turn_](simulated_session& me) {
    if (me.turn_ != turn || !me.current_) return;
    const machine& m = me.server_.hosts[me.born_.host];
    const bool standby = m.role == server_role::standby;
    detail::raw_result& out = me.current_->outcome.results.emplace_back();
    auto columns = std::make_shared<detail::row_description>(3);
    (*columns)[0].type_oid = 16;
    (*columns)[1].type_oid = (*columns)[2].type_oid = 20;
    out.columns = std::move(columns);
    out.tag = "SELECT 1";
    out.bytes.append({'\0', '\3'});
    put<std::int8_t>(out.bytes, standby, 1);
    put<std::int64_t>(out.bytes, standby ? 0 : m.timeline, 8);
    const auto lag = std::chrono::duration_cast<std::chrono::milliseconds>(m.lag);
    put<std::int64_t>(out.bytes, lag.count(), 8);
    out.ends.push_back(out.bytes.size());
    me.server_.hosts[me.born_.host].news[me.born_.lane].lag = lag;
    me.server_.hosts[me.born_.host].news[me.born_.lane].lag_at = me.server_.time().now();
    me.hear(m.role);
    me.server_.hosts[me.born_.host].news[me.born_.lane].timeline = standby ? 0 : m.timeline;
    me.ready({});
  });
}

// What the pool has been told, it may be held to.
void simulated_session::note_role(server_role now) {
  told& news = server_.hosts[born_.host].news[born_.lane];
  if (now != server_role::primary) news.timeline = 0;
  news.role = now;
  news.role_at = server_.time().now();
}

void simulated_session::hear(server_role now) {
  role_ = now;
  note_role(now);
  if (const auto o = observer_.lock()) o->on_role(now, false);
}

void simulated_session::ask_control() {
  const auto call = std::make_shared<control_call>();
  call->client = weak_from_this();
  call->lane = born_.lane;
  call->turn = turn_;
  call->by = born_.backend;
  call->written = wall_clock();
  call->rows = rows_of(current_->statement.values());
  ++server_.seen.control_calls;
  for (const control_call::row& r : call->rows) {
    if (!r.kill) continue;
    server_.require(r.started.has_value(), "a cancel without a look at who has the pid");
    const auto target = r.started ? server_.session_of(r.pid, *r.started) : nullptr;
    if (target) target->named_by(call);
  }
  if (born_.backend->alive) postmaster_.execute(call);
}

void simulated_session::control_answered(const control_ptr& call, bool forbidden) {
  if (link_ != link::open || call->turn != turn_ || !current_) return;
  if (server_.chance(server_.today.dies)) return vanish(lido::errc::connection_lost, false);
  call->answered = true;
  if (forbidden)
    return asio::post(executor_, [me = shared_from_this(), turn = turn_] {
      if (me->turn_ == turn && me->current_) me->ready(lido::make_sqlstate("42501"));
    });
  detail::raw_result& out = current_->outcome.results.emplace_back();
  auto columns = std::make_shared<detail::row_description>(5);
  constexpr std::array<std::uint32_t, 5> types{20, 20, 16, 23, 20};
  for (std::size_t i = 0; i < types.size(); ++i) (*columns)[i].type_oid = types[i];
  out.columns = std::move(columns);
  out.tag = "SELECT";
  std::int64_t n = 0;
  for (const control_call::row& r : call->rows) {
    out.bytes += '\0';
    out.bytes += '\5';
    put<std::int64_t>(out.bytes, ++n, 8);
    put<std::int64_t>(out.bytes, r.found ? std::optional(r.found->started) : std::nullopt, 8);
    put<std::int8_t>(out.bytes, r.kill && r.found ? std::optional<std::int8_t>(r.signalled) : std::nullopt, 1);
    put<std::int32_t>(out.bytes, born_.backend->pid, 4);
    put<std::int64_t>(out.bytes, postmaster_.started(), 8);
    out.ends.push_back(out.bytes.size());
  }
  asio::post(executor_, [me = shared_from_this(), turn = turn_] {
    if (me->turn_ == turn && me->current_) me->ready({});
  });
}

}  // namespace simulation
