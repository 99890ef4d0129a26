// cancel(), drop() and park() from other threads while several threads run the handlers: nothing is called after they
// returned. For ThreadSanitizer.
#include "driver/cancel/cancel_request.hpp"
#include "driver/cancel/parking.hpp"
#include "tests/support/loopback.hpp"
#include "tests/transport/client.hpp"
#include "tests/transport/peer_server.hpp"

#include <lido/driver/error.hpp>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

namespace lido::testing {
namespace {

int scaled(int full) {
  const char* scale = std::getenv("LIDO_TEST_SCALE");  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return std::max(20, static_cast<int>(full * (scale != nullptr ? std::atof(scale) : 1.0)));
}

class running_io {
 public:
  running_io() : work_(asio::make_work_guard(io)) {
    for (auto& thread : threads_) thread = std::thread([this] { io.run(); });
  }
  ~running_io() {
    work_.reset();
    for (auto& thread : threads_) thread.join();
  }
  asio::io_context io{2};

 private:
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::array<std::thread, 2> threads_;
};

/// Lets about `turns` units of other work pass: a moment that differs from round to round.
void spin(unsigned turns) {
  static std::atomic<unsigned> sink{0};
  for (unsigned i = 0; i < turns; ++i) sink.fetch_add(1);
}

struct state_of_call {
  std::atomic<bool> ended{false};  // cancel() has returned
  std::atomic<int> calls{0};
  std::atomic<int> late{0};

  void called() {
    ++calls;
    spin(200);  // give a cancel that does not wait the time to return
    if (ended) ++late;
  }
};

TEST(race, I20_nothing_is_called_after_cancel_returned) {
  const trust ca;
  const auto context = make_server_context(ca.authority.issue({}));
  const auto tls = ca.context();
  peer_server server([&](peer_link& link) {
    if (link.accept_tls(context)) link.read_to_end();
  });
  running_io running;
  std::minstd_rand random(1);
  int completed = 0;
  for (int round = 0; round < scaled(600); ++round) {
    const auto state = std::make_shared<state_of_call>();
    const bool secure = round % 2 == 0;
    auto target = target_at(secure ? server.port() : std::uint16_t{9}, secure ? tls : nullptr,
                            round % 4 == 3 ? "localhost" : "127.0.0.1");
    const auto dialler = transport::dialler::start(running.io.get_executor(), std::move(target),
                                                   [state](transport::dial_result) { state->called(); });
    spin(static_cast<unsigned>(random() % (secure ? 400000U : 20000U)));
    dialler->cancel();
    state->ended = true;
    completed += state->calls;
    ASSERT_EQ(state->late, 0);
    ASSERT_LE(state->calls, 1);
  }
  RecordProperty("completed", completed);
}

TEST(race, drop_and_park_from_other_threads_end_all_callbacks) {
  peer_server server([&](peer_link& link) {
    if (link.read(16).size() == 16) link.finish();
    link.read_to_end();
  });
  const asio::ip::tcp::endpoint where(asio::ip::make_address("127.0.0.1"), server.port());
  const transport::peer peer{transport::endpoint(where), "127.0.0.1", false, false, nullptr};
  running_io running;
  std::minstd_rand random(2);
  for (int round = 0; round < scaled(1000); ++round) {
    const auto state = std::make_shared<state_of_call>();
    const auto request = cancel::cancel_request::start(running.io.get_executor(), peer, 7, secret("1234"),
                                                       {[state] {
                                                          state->called();
                                                          return true;
                                                        },
                                                        [state](const cancel::outcome&) { state->called(); }});
    spin(static_cast<unsigned>(random() % 60000U));
    if (round % 2 == 0) {
      request->drop();
    } else {
      request->park();
    }
    state->ended = true;
    ASSERT_EQ(state->late, 0);
    ASSERT_LE(state->calls, 2);
    request->drop();
  }
  EXPECT_TRUE(eventually([] { return cancel::parking_place::taken() == 0; }));
}

}  // namespace
}  // namespace lido::testing
