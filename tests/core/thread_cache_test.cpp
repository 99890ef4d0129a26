// What a thread keeps between two leases (I10): by whom, of when, and who gets it when it is called in.
#include "pool/thread_cache.hpp"

#include "tests/core/pool_fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using lido::detail::loan;
using lido::detail::thread_cache;
namespace core = lido::core;

const core::time_point noon{12h};
constexpr auto anywhere = [] { return true; };

template <class Wanted>
loan* take_if(thread_cache& cache, Wanted wanted) {
  return cache.take(wanted, [](loan&) {});
}

loan* take_any(thread_cache& cache) {
  return take_if(cache, [](const loan&) { return true; });
}

std::vector<loan*> call_in(thread_cache& cache) {
  std::vector<loan*> kept;
  cache.begin_era();
  while (loan* const each = cache.shut_next()) kept.push_back(each);
  return kept;
}

// What is lent now.
void lend(thread_cache& cache, loan& what) { what.era = cache.era(); }

TEST(thread_cache, nothing_is_kept_before_it_is_opened) {
  thread_cache cache;
  loan one;
  lend(cache, one);
  EXPECT_FALSE(cache.keep(one, noon, anywhere));
  EXPECT_EQ(take_any(cache), nullptr);
}

TEST(thread_cache, the_thread_that_kept_it_takes_it_again_and_no_other_does) {
  thread_cache cache;
  loan one;
  lend(cache, one);
  cache.open_here(noon + thread_cache::term);
  ASSERT_TRUE(cache.keep(one, noon, anywhere));
  std::thread([&] { EXPECT_EQ(take_any(cache), nullptr); }).join();
  EXPECT_EQ(take_any(cache), &one);
  EXPECT_EQ(take_any(cache), nullptr);
  call_in(cache);
}

TEST(thread_cache, one_is_kept_and_not_two) {
  thread_cache cache;
  loan one;
  loan two;
  lend(cache, one);
  lend(cache, two);
  cache.open_here(noon + thread_cache::term);
  EXPECT_TRUE(cache.keep(one, noon, anywhere));
  EXPECT_FALSE(cache.keep(two, noon, anywhere));
  EXPECT_EQ(call_in(cache), std::vector<loan*>{&one});
}

TEST(thread_cache, what_is_not_wanted_stays) {
  thread_cache cache;
  loan one;
  lend(cache, one);
  one.shard = 3;
  cache.open_here(noon + thread_cache::term);
  ASSERT_TRUE(cache.keep(one, noon, anywhere));
  EXPECT_EQ(take_if(cache, [](const loan& l) { return l.shard == 1; }), nullptr);
  EXPECT_EQ(take_if(cache, [](const loan& l) { return l.shard == 3; }), &one);
  call_in(cache);
}

TEST(thread_cache, I10_what_all_threads_keep_is_called_in_and_nothing_is_kept_after) {
  thread_cache cache;
  loan one;
  loan two;
  lend(cache, one);
  lend(cache, two);
  cache.open_here(noon + thread_cache::term);
  ASSERT_TRUE(cache.keep(one, noon, anywhere));
  std::thread([&] {
    cache.open_here(noon + thread_cache::term);
    EXPECT_TRUE(cache.keep(two, noon, anywhere));
  }).join();
  EXPECT_EQ(call_in(cache).size(), 2U);
  EXPECT_FALSE(cache.is_open());
  lend(cache, one);
  EXPECT_FALSE(cache.keep(one, noon, anywhere));
}

// The model's counterexamples (tests/model/cache.pml): no_era, one_era.
TEST(thread_cache, what_was_out_during_an_event_is_not_kept_though_it_is_open_again) {
  for (const bool was_open : {true, false}) {
    thread_cache cache;
    loan out;
    lend(cache, out);
    if (was_open) cache.open_here(noon + thread_cache::term);
    call_in(cache);  // the event
    cache.open_here(noon + thread_cache::term);
    EXPECT_FALSE(cache.keep(out, noon, anywhere));
    lend(cache, out);
    EXPECT_TRUE(cache.keep(out, noon, anywhere));
    call_in(cache);
  }
}

TEST(thread_cache, when_its_term_is_over_nothing_is_kept) {
  thread_cache cache;
  loan one;
  lend(cache, one);
  cache.open_here(noon + thread_cache::term);
  EXPECT_FALSE(cache.keep(one, noon + thread_cache::term, anywhere));
  ASSERT_TRUE(cache.keep(one, noon, anywhere));
  EXPECT_EQ(one.until, noon + thread_cache::term);
  call_in(cache);
}

TEST(thread_cache, each_lease_is_counted_and_timed_for_itself) {
  thread_cache cache;
  loan one;
  lend(cache, one);
  cache.open_here(noon + thread_cache::term);
  one.begin(7, noon, std::source_location::current());
  ASSERT_TRUE(cache.keep(one, noon + 2ms, anywhere));
  EXPECT_FALSE(one.in_hand.load());
  ASSERT_EQ(take_any(cache), &one);
  one.begin_again(8, noon + 5ms, std::source_location::current());
  EXPECT_TRUE(one.in_hand.load());
  EXPECT_EQ(one.since.load(), noon + 5ms);
  EXPECT_EQ(one.tenure.load(), 8U);
  EXPECT_EQ(one.db.handle().tenure, 8U);
  ASSERT_TRUE(cache.keep(one, noon + 6ms, anywhere));
  EXPECT_EQ(one.again.load(), 1U);
  EXPECT_EQ(one.use.snapshot().count(), 2U);
  EXPECT_EQ(one.use.snapshot().sum, 3ms);
  call_in(cache);
}

}  // namespace

namespace core_test {

TEST(thread_cache, how_long_one_lasts_is_counted_from_where_the_shell_says_and_no_later_lease_is_meant) {
  pool p{1};
  const auto first = p.idle(1)[0];
  core::lease_id got;
  ASSERT_TRUE(p.book.try_acquire(0, p.now, got));
  const auto began = p.book.slots()[got.index].lent_at;
  p.book.leased_since(got, began + 1ms);
  EXPECT_EQ(p.book.slots()[got.index].lent_at, began + 1ms);
  p.book.leased_since(first, began);
  EXPECT_EQ(p.book.slots()[got.index].lent_at, began + 1ms) << "an earlier lease";
  core::waiter next{core::never, 0};
  p.acquire(next);
  p.release(got);
  const auto granted = p.book.slots()[got.index].lent_at;
  p.book.leased_since(next.lease(), began);
  EXPECT_EQ(p.book.slots()[got.index].lent_at, granted) << "its user has not resumed";
  p.cancel(next);
}

// The question looks at what may be gone with the pool's last word: an io_context.
TEST(thread_cache, I28_what_is_of_an_earlier_era_is_refused_unasked) {
  thread_cache cache;
  loan one;
  lend(cache, one);
  cache.open_here(noon + thread_cache::term);
  int asked = 0;
  const auto ask = [&asked] { return ++asked == 0; };
  EXPECT_FALSE(cache.keep(one, noon, ask));
  EXPECT_EQ(asked, 1) << "of this era";
  call_in(cache);
  EXPECT_FALSE(cache.keep(one, noon, ask));
  EXPECT_EQ(asked, 1);
}

}  // namespace core_test
