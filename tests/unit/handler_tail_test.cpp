// What a completion handler sets off for others runs behind it: in order, a few, and nothing of it is lost.
#include <lido/driver/detail/handler_tail.hpp>

#include <asio/io_context.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace lido::detail {
namespace {

struct told {
  std::string name;
  std::vector<std::string>* log;
  std::function<void()> then = [] {};
  void run_now() {
    log->push_back(name);
    then();
  }
  void post_later() { log->push_back(name + " posted"); }
};

class handler_tails : public ::testing::Test {
 protected:
  told named(const char* name) { return {name, &log}; }

  asio::io_context io;
  handler_place place{io};
  std::vector<std::string> log;
};

TEST_F(handler_tails, run_what_was_set_off_behind_the_handler_and_in_order) {
  told a = named("a");
  told b = named("b");
  handler_tail tail(place);
  EXPECT_TRUE(handler_tail::add(io, a));
  EXPECT_TRUE(handler_tail::add(io, b));
  log.push_back("handler");
  tail.run();
  EXPECT_EQ(log, (std::vector<std::string>{"handler", "a", "b"}));
}

TEST_F(handler_tails, take_nothing_outside_of_a_handler_and_nothing_of_another_context) {
  told a = named("a");
  EXPECT_FALSE(handler_tail::add(io, a));
  {
    asio::io_context other;
    handler_place elsewhere{other};
    handler_tail tail(elsewhere);
    EXPECT_FALSE(handler_tail::add(io, a));
    tail.run();
  }
  EXPECT_FALSE(handler_tail::add(io, a));
  EXPECT_TRUE(log.empty());
}

TEST_F(handler_tails, take_a_few_and_count_what_those_set_off) {
  told again = named("again");
  int refused = 0;
  again.then = [&] {
    if (!handler_tail::add(io, again)) ++refused;
  };
  handler_tail tail(place);
  EXPECT_TRUE(handler_tail::add(io, again));
  tail.run();
  EXPECT_EQ(log.size(), handler_tail::most) << "a chain does not keep the io_context from what else is ready";
  EXPECT_EQ(refused, 1);
}

// Another thread of theirs may be idle, while a handler goes on working.
TEST_F(handler_tails, are_not_for_an_io_context_that_two_threads_run) {
  told a = named("a");
  {
    handler_tail tail(place);
    EXPECT_TRUE(handler_tail::add(io, a));
    tail.run();
  }
  std::thread([&] {
    handler_tail tail(place);
    EXPECT_FALSE(handler_tail::add(io, a));
    tail.run();
  }).join();
  handler_tail tail(place);
  EXPECT_FALSE(handler_tail::add(io, a)) << "there are two";
  tail.run();
  EXPECT_EQ(log, (std::vector<std::string>{"a"}));
}

TEST_F(handler_tails, post_what_a_handler_that_threw_has_left) {
  told a = named("a");
  told b = named("b");
  a.then = [] { throw std::runtime_error("from a handler"); };
  const auto handler = [&] {
    handler_tail tail(place);
    EXPECT_TRUE(handler_tail::add(io, a));
    EXPECT_TRUE(handler_tail::add(io, b));
    tail.run();
  };
  EXPECT_THROW(handler(), std::runtime_error);
  EXPECT_EQ(log, (std::vector<std::string>{"a", "b posted"}));
  EXPECT_FALSE(handler_tail::add(io, a)) << "that handler is over";
}

TEST_F(handler_tails, of_a_handler_inside_of_another_are_its_own) {
  told outer = named("outer");
  told inner = named("inner");
  handler_tail first(place);
  EXPECT_TRUE(handler_tail::add(io, outer));
  {
    handler_tail second(place);
    EXPECT_TRUE(handler_tail::add(io, inner));
    second.run();
  }
  EXPECT_EQ(log, (std::vector<std::string>{"inner"}));
  first.run();
  EXPECT_EQ(log, (std::vector<std::string>{"inner", "outer"}));
}

}  // namespace
}  // namespace lido::detail
