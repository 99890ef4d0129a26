#include "pool/recovery/recovery.hpp"

#include <asio/system_executor.hpp>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using lido::close_reason;
using lido::detail::recovery_failure;
using lido::detail::session_condition;
using lido::recovery::recovery;
using lido::recovery::verdict;

// A session that does what the test says, when it says so.
class scripted_session final : public lido::detail::managed_session {
 public:
  session_condition now = session_condition::clean;
  std::function<void(recovery_failure)> settled;
  std::function<void(std::error_code, bool)> answered;
  std::vector<std::string> said;

  // Each callback goes once and is forgotten: it owns the recovery, which owns this session.
  void settle(recovery_failure why) { std::exchange(settled, nullptr)(why); }
  void answer(std::error_code ec, bool idle) {
    if (!ec && idle) now = session_condition::clean;  // of the pool's own statements each leaves it so
    std::exchange(answered, nullptr)(ec, idle);
  }

  void recover(const lido::detail::recovery_budgets&, std::function<void(recovery_failure)> done) override {
    settled = std::move(done);
  }
  void run_internal(std::string_view sql, lido::time_point, std::function<void(std::error_code, bool)> done) override {
    said.emplace_back(sql);
    answered = std::move(done);
  }
  lido::detail::session_reset left = lido::detail::session_reset::none;
  lido::detail::session_reset reset(bool all, lido::time_point,
                                    std::function<void(std::error_code, bool)> done) override {
    using lido::detail::session_reset;
    const session_reset kind = left == session_reset::impossible ? left : all ? session_reset::discard_all : left;
    if (kind == session_reset::none || kind == session_reset::impossible) return kind;
    said.emplace_back(kind == session_reset::exact ? "RESET" : "DISCARD ALL");
    answered = std::move(done);
    return kind;
  }
  void keep_state() noexcept override {}
  session_condition condition() const noexcept override { return now; }

  void start(lido::detail::op_ptr) noexcept override {}
  void abandon(lido::detail::operation&) noexcept override {}
  void soft_cancel(lido::detail::operation&) noexcept override {}
  void cancel_running(std::uint64_t) noexcept override {}
  void roll_back_later(std::uint64_t) noexcept override {}
  void set_budgets(const lido::detail::recovery_budgets&) noexcept override {}
  void set_server_deadlines(bool) noexcept override {}
  void set_deadline(std::uint64_t, lido::time_point) noexcept override {}
  bool holds(std::uint64_t) const noexcept override { return false; }
  asio::any_io_executor executor() const noexcept override { return asio::system_executor(); }
  std::uint64_t begin_tenure() noexcept override { return 0; }
  lido::detail::tenure_end end_tenure(std::uint64_t) noexcept override { return {now}; }
  void ping(lido::time_point, std::function<void(std::error_code)>) override {}
  void hurry(const lido::detail::recovery_budgets&) noexcept override {}
  void close(lido::time_point, std::function<void(bool)>) override {}
  void close_now() noexcept override {}
  int process_id() const noexcept override { return 0; }
  bool secure() const noexcept override { return false; }
  const std::string* parameter_copy(std::string_view, std::string&) const override { return nullptr; }
};

class recovery_steps : public ::testing::Test {
 protected:
  void start(lido::reset_mode reset = lido::reset_mode::automatic) {
    lido::recovery::settings how;
    how.reset = reset;
    std::make_shared<recovery>(session, how, [this](verdict v) {
      EXPECT_FALSE(result.has_value()) << "one verdict only";
      result = v;
    })->start();
  }

  std::shared_ptr<scripted_session> session = std::make_shared<scripted_session>();
  std::optional<verdict> result;
};

const std::error_code stray = lido::make_sqlstate("57014");

TEST_F(recovery_steps, a_quiet_idle_session_is_usable_without_a_round_trip) {
  start();
  session->settle(recovery_failure::none);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->usable);
  EXPECT_TRUE(session->said.empty());
}

TEST_F(recovery_steps, an_open_transaction_is_rolled_back_first) {
  session->now = session_condition::dirty;
  start();
  session->settle(recovery_failure::none);
  EXPECT_EQ(session->said, std::vector<std::string>{"ROLLBACK"});
  EXPECT_FALSE(result);
  session->answer({}, true);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->usable);
}

TEST_F(recovery_steps, discard_all_follows_the_rollback_when_chosen) {
  session->now = session_condition::dirty;
  start(lido::reset_mode::discard_all);
  session->settle(recovery_failure::none);
  session->answer({}, true);
  session->answer({}, true);
  EXPECT_EQ(session->said, (std::vector<std::string>{"ROLLBACK", "DISCARD ALL"}));
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->usable);
}

using lido::detail::session_reset;

bool sent(const verdict& v, lido::reset_kind kind) { return v.resets[static_cast<std::size_t>(kind)]; }

TEST_F(recovery_steps, I14_what_was_left_is_undone_behind_the_rollback) {
  session->now = session_condition::dirty;
  session->left = session_reset::exact;
  start();
  session->settle(recovery_failure::none);
  session->answer({}, true);
  session->left = session_reset::none;
  session->answer({}, true);
  EXPECT_EQ(session->said, (std::vector<std::string>{"ROLLBACK", "RESET"}));
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->usable);
  EXPECT_TRUE(sent(*result, lido::reset_kind::rollback));
  EXPECT_TRUE(sent(*result, lido::reset_kind::exact));
  EXPECT_FALSE(sent(*result, lido::reset_kind::discard_all));
}

TEST_F(recovery_steps, I14_what_nothing_undoes_costs_the_connection_at_once) {
  session->now = session_condition::soiled;
  session->left = session_reset::impossible;
  start();
  session->settle(recovery_failure::none);
  EXPECT_TRUE(session->said.empty());
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->usable);
  EXPECT_EQ(result->reason, close_reason::left_state);
}

TEST_F(recovery_steps, I14_a_session_that_is_still_not_as_it_was_is_given_up) {
  session->now = session_condition::unfit;
  start();
  session->settle(recovery_failure::none);
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->usable);
}

TEST_F(recovery_steps, I14_mode_none_rolls_back_and_resets_nothing) {
  session->now = session_condition::dirty;
  session->left = session_reset::exact;
  start(lido::reset_mode::none);
  session->settle(recovery_failure::none);
  session->answer({}, true);
  EXPECT_EQ(session->said, std::vector<std::string>{"ROLLBACK"});
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->usable);
}

TEST_F(recovery_steps, I3_a_stray_57014_that_hits_the_reset_is_absorbed_and_the_reset_repeated) {
  session->now = session_condition::soiled;
  session->left = session_reset::exact;
  start();
  session->settle(recovery_failure::none);
  session->answer(lido::make_sqlstate("57014"), true);
  session->answer({}, true);
  EXPECT_EQ(session->said, (std::vector<std::string>{"RESET", "RESET"}));
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->usable);
}

TEST_F(recovery_steps, I5_I14_a_reset_that_fails_or_hangs_gives_the_connection_up) {
  for (const auto& [ec, reason] : {std::pair{std::error_code(lido::errc::timeout), close_reason::recovery_timeout},
                                   std::pair{lido::make_sqlstate("42501"), close_reason::recovery_failed}}) {
    result.reset();
    session->now = session_condition::soiled;
    session->left = session_reset::exact;
    start();
    session->settle(recovery_failure::none);
    session->answer(ec, true);
    ASSERT_TRUE(result);
    EXPECT_FALSE(result->usable);
    EXPECT_EQ(result->reason, reason);
  }
}

// The fence: the first message after quiet is the pool's own, and absorbs one stray cancel.
TEST_F(recovery_steps, I3_a_stray_57014_is_absorbed_once_and_the_rollback_repeated) {
  session->now = session_condition::dirty;
  start();
  session->settle(recovery_failure::none);
  session->answer(stray, false);
  EXPECT_EQ(session->said.size(), 2U);
  session->answer({}, true);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->usable);
}

TEST_F(recovery_steps, I4_a_second_stray_57014_gives_the_connection_up) {
  session->now = session_condition::dirty;
  start();
  session->settle(recovery_failure::none);
  session->answer(stray, false);
  session->answer(stray, false);
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->usable);
  EXPECT_EQ(result->reason, close_reason::recovery_failed);
}

TEST_F(recovery_steps, I5_a_reset_that_times_out_gives_the_connection_up) {
  session->now = session_condition::dirty;
  start();
  session->settle(recovery_failure::none);
  session->answer(lido::errc::timeout, false);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->reason, close_reason::recovery_timeout);
}

TEST_F(recovery_steps, a_rollback_that_leaves_the_transaction_open_gives_the_connection_up) {
  session->now = session_condition::dirty;
  start();
  session->settle(recovery_failure::none);
  session->answer({}, false);
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->usable);
}

TEST_F(recovery_steps, I23_each_failure_of_the_fence_has_its_own_reason) {
  const std::pair<recovery_failure, close_reason> table[] = {
      {recovery_failure::no_key, close_reason::no_cancel_key},
      {recovery_failure::policy, close_reason::discarded},
      {recovery_failure::cancel_unknown, close_reason::cancel_unknown},
      {recovery_failure::cancel_failed, close_reason::cancel_failed},
      {recovery_failure::drain_timeout, close_reason::recovery_timeout},
      {recovery_failure::drain_bytes, close_reason::drain_bytes},
      {recovery_failure::discarded, close_reason::discarded},
      {recovery_failure::lost, close_reason::disconnected},
  };
  for (const auto& [why, reason] : table) {
    result.reset();
    start();
    session->settle(why);
    ASSERT_TRUE(result);
    EXPECT_FALSE(result->usable);
    EXPECT_EQ(result->reason, reason);
  }
}

}  // namespace
