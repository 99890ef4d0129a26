// Every recorded session, its server's bytes cut behind each one of them: by FIN, by RST, by silence. An operation then
// ends as in the whole session or as a loss, within its time; never with a part of a result, never as another
// operation's.
#include "tests/sweep/recorded_sessions.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;
using steps::cut_by;

constexpr std::size_t everything = 1U << 30;
constexpr std::size_t lanes = 4;            // side by side: most of the time is spent waiting
constexpr auto patience_in_silence = 15ms;  // what comes later is a loss, too

// 1 of so many positions is cut: all of them, unless LIDO_TEST_SCALE asks for less.
std::size_t stride() {
  const char* const scale = std::getenv("LIDO_TEST_SCALE");  // NOLINT(concurrency-mt-unsafe): nobody changes it
  const double part = scale != nullptr ? std::strtod(scale, nullptr) : 1.0;
  return part >= 1.0 ? 1 : static_cast<std::size_t>(1.0 / std::max(part, 0.001));
}

script cut(const recorded_session& s, std::size_t at, cut_by how) {
  std::vector<step> all = s.server;
  all.push_back(steps::tolerate_loss({steps::wait_for_close()}));
  return {steps::cut_output_after(at, how, script{all})};
}

std::vector<outcome> take_part(const fake_server& server, const recorded_session& s, cut_by how) {
  connect_config config = s.config(server);
  auto patience = std::chrono::milliseconds{3s};
  if (how == cut_by::silence) config.connect_timeout = patience = patience_in_silence;
  client user{config, patience};
  std::vector<outcome> ends{user.connect()};
  for (const auto& operation : s.user) {
    if (!user.is_open()) break;
    ends.push_back(operation(user));
  }
  return ends;
}

struct whole_session {
  std::vector<outcome> ends;
  std::size_t bytes = 0;
};

whole_session record(const recorded_session& s) {
  whole_session whole;
  std::atomic<std::size_t> left{everything};
  std::vector<step> all = s.server;
  all.push_back(custom([&left](fake_session& session) { left = session.stream().output_left().value_or(0); }));
  all.push_back(steps::tolerate_loss({steps::wait_for_close()}));
  const fake_server server{script{steps::cut_output_after(everything, cut_by::fin, script{all})}};
  whole.ends = take_part(server, s, cut_by::fin);
  EXPECT_TRUE(server.wait_until_done(1));
  EXPECT_EQ(server.problems(), "");
  whole.bytes = everything - left;
  return whole;
}

bool is_loss(const recorded_session& s, const outcome& end, cut_by how) {
  if (end.error == errc::outcome_unknown) return s.commits;
  if (end.error == errc::timeout) return how == cut_by::silence;
  return is_disconnect(end.error);
}

/// How many operations ended as in the whole session; the next one, if there was one, was lost, and was the last.
std::size_t check(const recorded_session& s, const whole_session& whole, const std::vector<outcome>& ends, cut_by how) {
  EXPECT_LE(ends.size(), whole.ends.size());
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (ends[i] == whole.ends[i]) continue;
    EXPECT_TRUE(is_loss(s, ends[i], how)) << words_of(ends[i]);
    EXPECT_EQ(ends[i].results, 0U);
    EXPECT_TRUE(ends[i].rows.empty());
    EXPECT_EQ(i + 1, ends.size()) << "an operation was begun on a lost session";
    return i;
  }
  return ends.size();
}

void sweep(const recorded_session& s, const whole_session& whole, cut_by how) {
  const std::size_t step = stride();
  std::vector<std::size_t> ended(whole.bytes, 0);
  std::vector<std::thread> threads;
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    threads.emplace_back([&, lane] {
      std::vector<std::size_t> places;
      for (std::size_t at = lane * step; at < whole.bytes; at += lanes * step) places.push_back(at);
      if (places.empty()) return;
      std::vector<script> scripts;
      for (const std::size_t at : places) scripts.push_back(cut(s, at, how));
      const fake_server server{std::move(scripts)};
      for (const std::size_t at : places) {
        SCOPED_TRACE("cut behind byte " + std::to_string(at));
        ended[at] = check(s, whole, take_part(server, s, how), how);
        if (::testing::Test::HasFailure()) return;
      }
    });
  }
  for (std::thread& each : threads) each.join();
  if (how != cut_by::fin || step != 1) return;
  EXPECT_TRUE(std::ranges::is_sorted(ended)) << "more bytes, and less that ended well";
}

class sweep_of_bytes : public ::testing::TestWithParam<recorded_session> {};

TEST_P(sweep_of_bytes, B60_a_session_cut_anywhere_is_a_loss) {
  const recorded_session& s = GetParam();
  const whole_session whole = record(s);
  ASSERT_FALSE(HasFailure());
  ASSERT_GT(whole.bytes, 0U);
  ASSERT_EQ(whole.ends.size(), 1 + s.user.size());
  for (const cut_by how : {cut_by::fin, cut_by::rst, cut_by::silence}) {
    SCOPED_TRACE(how == cut_by::fin ? "FIN" : how == cut_by::rst ? "RST" : "silence");
    sweep(s, whole, how);
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(recorded, sweep_of_bytes, ::testing::ValuesIn(recorded_sessions()),
                         [](const auto& of) { return of.param.name; });

TEST(sweep_of_bytes_counted, there_are_thirty_sessions) { EXPECT_GE(recorded_sessions().size(), 30U); }

}  // namespace
}  // namespace lido::testing
