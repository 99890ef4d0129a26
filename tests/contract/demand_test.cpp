// Those who want connections, on a real server: priorities, tags, who holds what, the errors that say so, leases that
// last too long, tasks that wait for themselves.
#include "tests/contract/harness.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lido::testing {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class demand : public ::testing::Test {
 protected:
  void use(std::size_t max_size, const world::tweak& more = {}) {
    w.emplace(route::unix_socket, [&](pool_config& c) {
      c.max_size = max_size;
      c.log = [this](std::string_view line) { lines.emplace_back(line); };
      if (more) more(c);
    });
    w->warm(static_cast<int>(max_size - w->config().reserved_slots));
  }
  [[nodiscard]] bool logged(std::string_view text) const {
    return std::any_of(lines.begin(), lines.end(),
                       [text](const std::string& l) { return l.find(text) != std::string::npos; });
  }
  lease take(const acquire_options& how) {
    lease got;
    bool done = false;
    w->pool->async_acquire(how, [&](std::error_code ec, lease db) {
      EXPECT_FALSE(ec) << ec.message();
      got = std::move(db);
      done = true;
    });
    EXPECT_TRUE(w->turn_until([&] { return done; }));
    return got;
  }

  std::vector<std::string> lines;
  std::optional<world> w;
};

asio::awaitable<void> acquires(lido::pool& pool, acquire_options how, std::string& what, std::error_code& ec) {
  try {
    const lease db = co_await pool.async_acquire(how);
  } catch (const lido::error& e) {
    what = e.what();
    ec = e.code();
  }
}

asio::awaitable<void> notes(lido::pool& pool, acquire_options how, std::vector<int>& order, int who) {
  const lease db = co_await pool.async_acquire(how);
  order.push_back(who);
}

TEST_F(demand, the_time_out_of_an_acquire_says_who_has_the_connections_since_when_and_from_where) {
  use(1);
  const lease held = take(tagged("checkout"));
  std::string what;
  std::error_code ec;
  const task_ptr t = w->start(acquires(*w->pool, tagged("report", within(50ms)), what, ec));
  ASSERT_TRUE(w->turn_until([&] { return t->done; }));
  EXPECT_EQ(ec, errc::acquire_timeout);
  EXPECT_THAT(what, AllOf(ContainsRegex("no connection within [0-9]+ ms: "), HasSubstr("1 of 1 connections leased"),
                          HasSubstr("by checkout at "), HasSubstr("demand_test.cpp:"), HasSubstr(", backend ")));
  const pool_stats s = w->stats();
  ASSERT_EQ(s.tags.size(), 2U);
  EXPECT_EQ(s.tags[0].name, "checkout");
  EXPECT_EQ(s.tags[0].wait_time.count(), 1U);
  EXPECT_EQ(s.tags[1].name, "report");
  EXPECT_EQ(s.tags[1].failures, 1U);
}

TEST_F(demand, the_deadline_of_a_query_has_another_error_than_that_of_an_acquire) {
  use(1);
  std::string what;
  lease db = take(tagged("report"));
  const task_ptr t = w->start([](lease& held, std::string& said) -> asio::awaitable<void> {
    try {
      co_await held->async_query(within(50ms), "select pg_sleep(20)");
    } catch (const lido::error& e) {
      EXPECT_EQ(e.code(), errc::timeout);
      said = e.what();
    }
  }(db, what));
  ASSERT_TRUE(w->turn_until([&] { return t->done; }));
  EXPECT_THAT(what, HasSubstr("query exceeded its deadline"));
}

TEST_F(demand, the_table_of_holders_tells_each_connection_that_is_out) {
  use(2);
  EXPECT_TRUE(w->pool->holders().empty());
  const task_scope me;
  const lease named = take(tagged("checkout").priority(priority::high).task(me));
  const auto line = static_cast<unsigned>(__LINE__ - 1);
  const lease plain = w->pool->try_acquire();
  const std::vector<lease_holder> all = w->pool->holders();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].tag, "checkout");
  EXPECT_EQ(all[0].state, holding::leased);
  EXPECT_EQ(all[0].priority, priority::high);
  EXPECT_EQ(all[0].task, me.id());
  EXPECT_EQ(all[0].place.line(), line);
  EXPECT_GT(all[0].backend_pid, 0);
  EXPECT_EQ(all[1].tag, "");
  EXPECT_THAT(all[1].place.file_name(), HasSubstr("demand_test.cpp"));
  EXPECT_GE(all[0].held, all[1].held);
}

TEST_F(demand, the_table_forgets_a_tag_with_its_lease) {
  use(1);
  take(tagged("checkout")).release();
  const lease plain = w->pool->try_acquire();
  ASSERT_EQ(w->pool->holders().size(), 1U);
  EXPECT_EQ(w->pool->holders()[0].tag, "");
  ASSERT_EQ(w->stats().tags.size(), 1U);
  EXPECT_EQ(w->stats().tags[0].use_time.count(), 1U);
}

TEST_F(demand, tags_beyond_max_tags_and_texts_that_are_no_labels_are_other) {
  use(1, [](pool_config& c) { c.max_tags = 2; });
  for (const char* tag : {"a", "b", "c", "a", "with space", "d"}) take(tagged(tag)).release();
  const pool_stats s = w->stats();
  ASSERT_EQ(s.tags.size(), 3U);
  EXPECT_EQ(s.tags[0].wait_time.count(), 2U);
  EXPECT_EQ(s.tags[2].name, "other");
  EXPECT_EQ(s.tags[2].wait_time.count(), 3U);
}

TEST_F(demand, priorities_decide_who_is_next_and_the_reserve_is_for_the_highest) {
  use(2, [](pool_config& c) { c.reserved_slots = 1; });
  lease held = w->pool->try_acquire();
  EXPECT_TRUE(static_cast<bool>(held));
  EXPECT_FALSE(w->pool->try_acquire()) << "the other one is reserved";
  std::vector<int> order;
  std::vector<task_ptr> users;
  const auto user = [&](priority p, int who) {
    users.push_back(w->start(notes(*w->pool, with_priority(p), order, who)));
    w->drain_ready();
  };
  user(priority::low, 3);
  user(priority::normal, 2);
  EXPECT_EQ(w->stats().waiting_by_priority[1], 1U);
  EXPECT_EQ(w->stats().waiting_by_priority[2], 1U);
  user(priority::high, 1);
  ASSERT_TRUE(w->turn_until([&] { return order.size() == 1; }));
  held.release();
  ASSERT_TRUE(w->turn_until([&] { return order.size() == 3; }));
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_F(demand, a_hopeless_acquire_is_refused_at_once_and_says_how_long_it_would_have_waited) {
  use(1, [](pool_config& c) { c.admission = admission_mode::deadline; });
  for (int i = 0; i < 3; ++i) {  // leases of 600 ms, while somebody waits
    lease held = take(acquire_options(op_options{}));
    lease next;
    w->pool->async_acquire([&](std::error_code, lease db) { next = std::move(db); });
    w->drain_ready();
    const task_ptr query =
        w->start([](lease& db) -> asio::awaitable<void> { co_await db->async_query("select pg_sleep(0.6)"); }(held));
    ASSERT_TRUE(w->turn_until([&] { return query->done; }));
    held.release();
    ASSERT_TRUE(w->turn_until([&] { return static_cast<bool>(next); }));
  }
  const lease held = take(acquire_options(op_options{}));
  std::string what;
  std::error_code ec;
  const task_ptr t = w->start(acquires(*w->pool, acquire_options(within(400ms)), what, ec));
  ASSERT_TRUE(w->turn_until([&] { return t->done; }));
  EXPECT_EQ(ec, errc::overloaded);
  EXPECT_THAT(what, AllOf(HasSubstr("it would have waited for about "), HasSubstr("leases last ")));
  EXPECT_EQ(w->stats().of(acquire_refusal::admission), 1U);
}

TEST_F(demand, P19_the_queue_that_is_full_names_the_pool_and_its_limit) {
  use(1, [](pool_config& c) { c.max_waiters = 1; });
  const lease held = w->pool->try_acquire();
  std::vector<int> order;
  const task_ptr first = w->start(notes(*w->pool, acquire_options(within(60s)), order, 1));
  w->drain_ready();
  std::string what;
  std::error_code ec;
  const task_ptr t = w->start(acquires(*w->pool, acquire_options(within(1s)), what, ec));
  ASSERT_TRUE(w->turn_until([&] { return t->done; }));
  EXPECT_EQ(ec, errc::too_many_waiters);
  EXPECT_THAT(what, AllOf(HasSubstr("pool default"), HasSubstr("max_waiters")));
  EXPECT_EQ(w->stats().of(acquire_refusal::max_waiters), 1U);
  first->signal.emit(asio::cancellation_type::terminal);
  ASSERT_TRUE(w->turn_until([&] { return first->done; }));
}

TEST_F(demand, a_task_that_waits_for_itself_is_told_at_once_and_both_places_are_named) {
  use(1);
  const task_scope me;
  lease outer = take(tagged("outer").task(me));
  std::string what;
  std::error_code ec;
  const task_ptr t = w->start(acquires(*w->pool, tagged("inner", within(60s)).task(me), what, ec));
  ASSERT_TRUE(w->turn_until([&] { return t->done; }));
  EXPECT_EQ(ec, errc::nested_acquire);
  EXPECT_THAT(what, AllOf(HasSubstr("this task, which asks at "), HasSubstr("by outer at ")));
  EXPECT_EQ(w->stats().of(acquire_refusal::nested), 1U);
  outer.release();
  EXPECT_TRUE(w->settle());
}

TEST_F(demand, a_nested_acquire_that_may_yet_be_served_waits_and_is_logged) {
  use(2);
  const task_scope me;
  const lease outer = take(tagged("outer").task(me));
  lease strangers = w->pool->try_acquire();
  std::string what;
  std::error_code ec;
  const task_ptr t = w->start(acquires(*w->pool, tagged("inner", within(60s)).task(me), what, ec));
  w->drain_ready();
  EXPECT_FALSE(t->done);
  EXPECT_TRUE(logged("while it has one"));
  EXPECT_EQ(w->stats().nested_waits, 1U);
  strangers.release();
  ASSERT_TRUE(w->turn_until([&] { return t->done; }));
  EXPECT_FALSE(ec) << what;
}

TEST_F(demand, P82_a_lease_that_lasts_too_long_is_logged_with_the_place_of_its_acquire) {
  use(1, [](pool_config& c) { c.leak_threshold = 30ms; });
  const lease leaked = take(tagged("forgotten"));
  ASSERT_TRUE(w->turn_until([&] { return logged("a long lease"); }));
  EXPECT_TRUE(logged("by forgotten at "));
  EXPECT_TRUE(logged("demand_test.cpp"));
  EXPECT_EQ(w->stats().long_holds, 1U);
  EXPECT_TRUE(static_cast<bool>(leaked)) << "it is told of, nothing more";
}

// The limit of one line a second loses none of them, nor does it let one kind of trouble hide another.
TEST_F(demand, P82_leases_that_last_too_long_at_the_same_time_are_all_told) {
  use(4, [](pool_config& c) {
    c.leak_threshold = 30ms;
    c.slow_acquire_threshold = 1ms;
  });
  std::vector<lease> leaked;
  for (const std::string_view tag : {"first", "second", "third", "fourth"}) leaked.push_back(take(tagged(tag)));
  std::string what;
  std::error_code ec;
  const task_ptr slow = w->start(acquires(*w->pool, tagged("patient"), what, ec));
  for (const std::string_view tag : {"first", "second", "third", "fourth"})
    EXPECT_TRUE(w->turn_until([&] { return logged("by " + std::string(tag) + " at "); })) << tag;
  leaked.pop_back();
  ASSERT_TRUE(w->turn_until([&] { return slow->done; }));
  EXPECT_FALSE(ec) << what;
  EXPECT_TRUE(logged("a slow acquire")) << "within the same second";
}

TEST_F(demand, P82_what_the_limit_holds_back_is_told_when_the_pool_closes) {
  use(2, [](pool_config& c) { c.leak_threshold = 30ms; });
  std::vector<lease> leaked;
  leaked.push_back(take(tagged("first")));
  ASSERT_TRUE(w->turn_until([&] { return logged("by first"); }));
  const auto told = w->stats().long_holds;
  leaked.push_back(take(tagged("second")));
  ASSERT_TRUE(w->turn_until([&] { return w->stats().long_holds > told; }));
  leaked.clear();
  bool closed = false;
  w->pool->async_close(1s, [&] { closed = true; });
  ASSERT_TRUE(w->turn_until([&] { return closed; }));
  EXPECT_TRUE(logged("by second"));
}

TEST_F(demand, a_reclaimed_lease_is_revoked_and_its_connection_serves_the_next) {
  use(1, [](pool_config& c) { c.leak_reclaim = 500ms; });
  lease leaked = take(tagged("forgotten"));
  const int backend = leaked->process_id();
  ASSERT_TRUE(w->turn_until([&] { return w->stats().reclaimed == 1; }));
  lease next = take(tagged("next", within(20s)));
  EXPECT_EQ(next->process_id(), backend) << "recovered, not replaced";
  EXPECT_FALSE(static_cast<bool>(leaked));
  EXPECT_TRUE(logged("a lease was taken away"));
  std::error_code ec;
  const task_ptr t = w->start([](lease& gone, std::error_code& why) -> asio::awaitable<void> {
    try {
      co_await gone->async_query("select 1");
    } catch (const lido::error& e) {
      why = e.code();
    }
  }(leaked, ec));
  ASSERT_TRUE(w->turn_until([&] { return t->done; }));
  EXPECT_EQ(ec, errc::lease_revoked);
  leaked.release();
  next.release();
  EXPECT_TRUE(w->settle());
}

TEST_F(demand, a_slow_acquire_is_logged_with_its_place_and_tag) {
  use(1, [](pool_config& c) { c.slow_acquire_threshold = 200ms; });
  lease held = take(acquire_options(op_options{}));
  std::string what;
  std::error_code ec;
  const task_ptr t = w->start(acquires(*w->pool, tagged("patient"), what, ec));
  w->drain_ready();
  const task_ptr query =
      w->start([](lease& db) -> asio::awaitable<void> { co_await db->async_query("select pg_sleep(0.3)"); }(held));
  ASSERT_TRUE(w->turn_until([&] { return query->done; }));
  held.release();
  ASSERT_TRUE(w->turn_until([&] { return t->done; }));
  EXPECT_TRUE(logged("a slow acquire at "));
  EXPECT_TRUE(logged("by patient waited for "));
  EXPECT_GE(w->stats().slow_acquires, 1U);
}

}  // namespace
}  // namespace lido::testing
