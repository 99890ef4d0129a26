#include "tests/simulation/real/world.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>

#include <exception>

namespace simulation {

using namespace std::chrono_literals;

void world::spawn(user& who) {
  who.busy = true;
  who.cancelled = false;
  who.strict = strict_;
  who.reader = server_.replicas && server_.chance(30);
  ++who.life;
  asio::co_spawn(io_, live(who),
                 asio::bind_cancellation_slot(who.signal.slot(),
                                              [this, &who](const std::exception_ptr& why) { ended(who, why); }));
}

void world::cancel(user& who) {
  who.cancelled = true;
  note("cancel");
  who.signal.emit(asio::cancellation_type::terminal);
}

// Waits in virtual time; a cancelled task waits no longer.
asio::awaitable<void> world::pause(std::chrono::nanoseconds most) {
  const auto wait = [this, most](auto handler) {
    auto shared = std::make_shared<std::optional<decltype(handler)>>(std::move(handler));
    const auto slot = asio::get_associated_cancellation_slot(**shared);
    const auto finish = [this, shared](std::error_code why) {
      const std::error_code ec = why;
      if (!*shared) return;
      auto h = std::move(**shared);
      shared->reset();
      asio::io_context& io = io_;
      asio::get_associated_cancellation_slot(h).clear();  // which may destroy this very function
      asio::post(io, [h = std::move(h), ec]() mutable { std::move(h)(ec); });
    };
    if (slot.is_connected()) {
      auto connected = slot;
      connected.assign([finish](asio::cancellation_type) { finish(asio::error::operation_aborted); });
    }
    time_.after(server_.some(most), [finish] { finish({}); });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::error_code)>(wait, asio::use_awaitable);
}

asio::awaitable<void> world::live(user& who) {
  const std::uint64_t rounds = 1 + server_.below(3);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    // A strict one has no deadline of its own, and no partial cancel: that may cost it its lease.
    const auto what = static_cast<plan>(server_.below(who.strict ? plan_count - 2 : plan_count));
    const auto patience = who.strict ? 60s : server_.chance(30) ? server_.some(50ms) : 500ms + server_.some(5s);
    const lido::op_options options = !who.strict && server_.chance(15) ? lido::op_options{} : lido::within(patience);
    if (!pool_) co_return;
    bool acquiring = true;
    std::error_code failure;
    try {
      if (what == plan::at_once) {
        const auto t = static_cast<std::int64_t>(token());
        const auto rows = co_await pool_->async_query<std::int64_t>(options, "select $1", t);
        require(rows.size() == 1 && rows[0] == t, "I1: a task saw another one's answer");
        ++tally_.answers;
        continue;
      }
      const instant bound = std::min(options.deadline, time_.now() + config_.acquire_timeout);
      // Two statements: g++ 12 destroys the results of co_await in a conditional twice.
      lido::lease db;
      if (who.reader) {
        db = co_await pool_->async_acquire(lido::role::replica, options);
      } else {
        db = co_await pool_->async_acquire(options);
      }
      require(time_.now() <= (options.deadline == lido::time_point::max() ? bound : options.deadline),
              "I5: an acquire that ended after its deadline");
      ++tally_.acquires;
      acquiring = false;
      if (what != plan::look) co_await use(who, db, what);
    } catch (const std::system_error& e) {
      failure = e.code();
    }
    if (!failure) continue;
    judge(who, failure, acquiring);
    if (failure == asio::error::operation_aborted) co_return;
    co_await pause(20ms);
  }
}

asio::awaitable<void> world::use(user& who, lido::lease& db, plan what) {
  const auto t = static_cast<std::int64_t>(token());
  switch (what) {
    case plan::look:
    case plan::at_once: co_return;
    case plan::query: {
      const char* const sql = writes_ && !who.reader && server_.chance(30) ? "insert $1" : "select $1";
      const auto rows = co_await db->async_query<std::int64_t>(sql, t);
      require(rows.size() == 1 && rows[0] == t, "I1: a task saw another one's answer");
      ++tally_.answers;
      co_return;
    }
    case plan::hurried: {
      const auto rows = co_await db->async_query<std::int64_t>(lido::within(server_.some(4ms)), "select $1", t);
      require(rows.size() == 1 && rows[0] == t, "I1: a task saw another one's answer");
      co_return;
    }
    case plan::transaction:
    case plan::left_open: {
      lido::transaction tx = co_await db->async_begin();
      co_await pause(5ms);
      co_await tx.async_query("select $1", t);
      if (what == plan::transaction) co_await tx.async_commit();
      co_return;
    }
    case plan::hold:
      co_await pause(200ms);
      db.release();
      co_await pause(5ms);
      co_return;
    case plan::partial: {
      // The lease stays; a task of its own asks for the cancel.
      asio::cancellation_signal partial;
      const auto planned =
          time_.after(server_.some(4ms), [&partial] { partial.emit(asio::cancellation_type::partial); });
      std::error_code ec;
      try {
        const auto rows = co_await db->async_query_with<std::int64_t>(
            asio::bind_cancellation_slot(partial.slot(), asio::use_awaitable), lido::op_options{}, "select $1", t);
        require(rows.size() == 1 && rows[0] == t, "I1: a task saw another one's answer");
      } catch (const std::system_error& e) {
        ec = e.code();
      }
      time_.forget(planned);
      if (ec && ec != asio::error::operation_aborted) judge(who, ec, false);
      co_return;
    }
  }
}

// What the contract allows a task to see.
void world::judge(const user& who, const std::error_code& ec, bool acquiring) {
  note("a task sees: " + ec.message());
  const bool by_cancel = ec == asio::error::operation_aborted || ec == lido::errc::outcome_unknown;
  require(!who.strict || (who.cancelled && by_cancel), "a task saw an error in good weather: a reload's");
  if (ec == asio::error::operation_aborted) {
    require(who.cancelled || cancelled_all_ || shutting_down_, "I1: operation_aborted, and nobody has cancelled");
    ++tally_.cancelled;
  } else if (ec == lido::errc::acquire_timeout || ec == lido::errc::timeout) {
    ++tally_.timeouts;
  } else if (ec == lido::errc::pool_closed) {
    require(shutting_down_, "pool_closed from an open pool");
    ++tally_.closed;
  } else if (ec == lido::errc::too_many_waiters ||
             (acquiring && (ec == lido::errc::auth_failed || ec == lido::make_sqlstate("53300")))) {
    ++tally_.refused;
  } else if (ec == lido::errc::wrong_server_role || ec == lido::make_sqlstate("25006")) {
    require(server_.hosts.size() > 1 && acquiring == (ec == lido::errc::wrong_server_role),
            "the wrong server, and there is but one");
    ++tally_.misled;
  } else if (lido::is_disconnect(ec) || ec == lido::errc::lease_revoked || ec == lido::errc::outcome_unknown ||
             ec == std::errc::invalid_argument) {
    require(!acquiring || shutting_down_ || ec != lido::errc::lease_revoked, "an acquire with a revoked lease");
    ++tally_.lost;
  } else {
    note("not allowed: " + ec.message());
    require(false, "I25: an error that no task may see");
  }
}

void world::ended(user& who, const std::exception_ptr& why) {
  who.busy = false;
  if (!why) return;
  try {
    std::rethrow_exception(why);
  } catch (const std::system_error& e) {
    judge(who, e.code(), true);
  } catch (const violation& v) {
    server_.break_rule(v.what());
  }
}

}  // namespace simulation
