// Deadline-aware admission, and what it is for: a pool under twice the load that it can carry, in virtual time.
#include "tests/core/pool_fixture.hpp"

#include <cmath>
#include <iostream>
#include <map>
#include <memory>

namespace core_test {

using core::acquire_result;

namespace {

core::limits refusing(std::uint32_t max_size) {
  core::limits l = plain_limits(max_size);
  l.refuse_hopeless = true;
  return l;
}

// Each caller needs a connection for `service` (exponential), gives up `patience` after it came, and has no use for an
// answer after that; what is under way then is work for nothing, since the query runs on.
class overload {
 public:
  static constexpr std::uint32_t slots = 16;
  static constexpr core::duration service = 10ms;
  static constexpr core::duration patience = 250ms;
  static constexpr core::duration length = 60s;

  overload(bool refuse, double load) : p_(limits(refuse)), load_(load) {
    std::vector<std::unique_ptr<core::waiter>> openers;
    for (std::uint32_t i = 0; i < slots; ++i) {
      openers.push_back(std::make_unique<core::waiter>());
      p_.acquire(*openers.back());
      p_.connected(p_.slots(action_kind::connect).back());
      EXPECT_TRUE(p_.resume(*openers.back()));
      p_.next();
    }
    for (const auto& w : openers) p_.release(w->lease());
    p_.next();
  }

  // The part of what the connections could do at most that was done in time.
  double goodput() {
    const core::time_point end = p_.now + length;
    core::time_point arrival = p_.now;
    while (p_.now < end) {
      const core::time_point ending = endings_.empty() ? core::never : endings_.begin()->first;
      p_.next().now = std::min({arrival, ending, p_.book.next_deadline()});
      if (p_.now == arrival) {
        arrive();
        arrival += exponential(service / slots / load_);
      } else if (p_.now == ending) {
        const std::unique_ptr<caller> done = std::move(endings_.begin()->second);
        endings_.erase(endings_.begin());
        if (p_.now <= done->deadline()) ++in_time_;
        p_.release(done->lease());
      } else {
        p_.expire();
      }
      obey();
    }
    for (auto& [key, w] : waiting_) p_.cancel(*w);
    const double capacity = static_cast<double>(slots) * static_cast<double>(length / service);
    return static_cast<double>(in_time_) / capacity;
  }

  std::uint64_t arrived = 0, refused = 0, timed_out = 0;

 private:
  using caller = core::waiter;

  static core::limits limits(bool refuse) {
    core::limits l = plain_limits(slots);
    l.refuse_hopeless = refuse;
    l.connect_concurrency = slots;
    return l;
  }
  template <class Duration>
  core::duration exponential(Duration mean) {
    const double x = -std::log(1.0 - random_.fraction()) * std::chrono::duration<double, std::nano>(mean).count();
    return core::duration{1 + static_cast<core::duration::rep>(x)};
  }

  void arrive() {
    ++arrived;
    auto w = std::make_unique<caller>(p_.now + patience);
    switch (p_.acquire(*w)) {
      case acquire_result::granted: return serve(std::move(w));
      case acquire_result::queued: waiting_.emplace(w.get(), std::move(w)); return;
      default: ++refused; return;
    }
  }
  void obey() {
    for (const core::action& a : p_.actions) {
      if (a.who == nullptr) continue;
      auto found = waiting_.extract(a.who);
      if (a.kind == action_kind::grant) {
        serve(std::move(found.mapped()));
      } else {
        ++timed_out;
      }
    }
  }
  void serve(std::unique_ptr<caller> w) {
    EXPECT_TRUE(p_.resume(*w));
    endings_.emplace(p_.now + exponential(service), std::move(w));
  }

  pool p_;
  double load_;
  core::random random_{4711};
  std::map<const core::waiter*, std::unique_ptr<caller>> waiting_;
  std::multimap<core::time_point, std::unique_ptr<caller>> endings_;
  std::uint64_t in_time_ = 0;
};

double measure(const char* what, bool refuse, double load) {
  overload o{refuse, load};
  const double good = o.goodput();
  std::cout << what << ", load " << load << ": goodput " << std::round(good * 1000) / 10 << " % of capacity, "
            << o.arrived << " came, " << o.refused << " refused at once, " << o.timed_out << " timed out waiting\n";
  return good;
}

}  // namespace

TEST(admission, at_twice_the_load_goodput_stays_where_first_come_first_served_with_timeouts_collapses) {
  EXPECT_LT(measure("first come, first served", false, 2.0), 0.5);
  EXPECT_GE(measure("admission = deadline", true, 2.0), 0.9);
  EXPECT_GE(measure("admission = deadline", true, 5.0), 0.9);
}

TEST(admission, below_capacity_nobody_is_refused) {
  overload o{true, 0.8};
  EXPECT_GE(o.goodput(), 0.79);
  EXPECT_LT(static_cast<double>(o.refused), 0.001 * static_cast<double>(o.arrived));
}

TEST(admission, who_would_be_served_too_late_is_refused_at_once) {
  pool p{refusing(1)};
  core::lease_id current = p.lease();
  const auto lasts = [&](core::duration d) {
    core::waiter w;
    p.acquire(w);
    p.later(d).release(current);
    ASSERT_TRUE(p.resume(w));
    current = w.lease();
  };
  for (int i = 0; i < 50; ++i) lasts(100ms);
  core::waiter hopeless{p.now + 80ms}, hopeful{p.now + 1s}, patient;
  EXPECT_EQ(p.acquire(hopeless), acquire_result::overloaded);
  EXPECT_EQ(hopeless.state(), waiter_state::detached);
  EXPECT_NEAR(static_cast<double>(p.book.expected_wait(hopeless.in_class(), p.now).count()), 1e8, 2e7);
  EXPECT_EQ(p.acquire(hopeful), acquire_result::queued);
  EXPECT_EQ(p.acquire(patient), acquire_result::queued);
  EXPECT_EQ(p.stats().refused[static_cast<std::size_t>(core::refusal::admission)], 1U);
  p.cancel(hopeful);
  p.cancel(patient);
}

TEST(admission, nobody_is_refused_before_anything_is_known) {
  pool p{refusing(1)};
  (void)p.lease();
  core::waiter w{p.now + 1ms};
  EXPECT_EQ(p.acquire(w), acquire_result::queued);
  p.cancel(w);
}

TEST(admission, a_server_that_has_fallen_silent_counts_as_slow) {
  pool p{refusing(1)};
  core::lease_id current = p.lease();
  for (int i = 0; i < 20; ++i) {
    core::waiter w;
    p.acquire(w);
    p.later(1ms).release(current);
    ASSERT_TRUE(p.resume(w));
    current = w.lease();
  }
  core::waiter before{p.now + 100ms};
  EXPECT_EQ(p.acquire(before), acquire_result::queued);
  p.cancel(before);
  p.later(10s);
  core::waiter after{p.now + 100ms};
  EXPECT_EQ(p.acquire(after), acquire_result::overloaded);
}

}  // namespace core_test
