#include "driver/cancel/cancel_request.hpp"

#include "driver/cancel/parking.hpp"
#include "tests/support/loopback.hpp"
#include "tests/transport/client.hpp"
#include "tests/transport/peer_server.hpp"

#include <lido/driver/error.hpp>

#include <asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace lido::testing {
namespace {

using cancel::cancel_request;
using session::cancel_phase;

constexpr std::uint32_t process_id = 0x01020304;
const std::string cancel_key("\xaa\xbb\xcc\xdd", 4);
const std::string packet = std::string("\0\0\0\x10\x04\xd2\x16\x2e\x01\x02\x03\x04", 12) + cancel_key;

/// The server's side of a cancel connection up to the whole packet.
void expect_packet(peer_link& link) {
  if (link.read(16) != packet) throw std::runtime_error("not the CancelRequest");
}

/// Start one, and see what its owner is told.
class cancelling {
 public:
  transport::peer peer_at(std::uint16_t port, std::shared_ptr<const transport::tls_context> tls = nullptr) {
    const asio::ip::tcp::endpoint where(asio::ip::make_address("127.0.0.1"), port);
    return {transport::endpoint(where), "127.0.0.1", false, tls != nullptr, tls};
  }

  std::shared_ptr<cancel_request> start(transport::peer peer, std::string_view with_key = cancel_key) {
    return cancel_request::start(io.get_executor(), std::move(peer), process_id, secret(with_key),
                                 {[this] {
                                    ++asked;
                                    return may;
                                  },
                                  [this](cancel::outcome o) {
                                    EXPECT_FALSE(outcome) << "told twice";
                                    outcome = o;
                                  }});
  }

  cancel::outcome wait() {
    EXPECT_TRUE(run_until(io, [this] { return outcome.has_value(); }));
    return outcome.value_or(cancel::outcome{});
  }

  /// Runs until nothing is left: all sockets closed.
  void run_dry() {
    io.restart();
    io.run_for(hang_guard);
    EXPECT_TRUE(io.stopped());
  }

  asio::io_context io;
  bool may = true;
  int asked = 0;
  std::optional<cancel::outcome> outcome;
};

TEST(cancel_request, clean_end_after_the_packet_is_eof) {
  peer_server server([](peer_link& link) {
    expect_packet(link);
    link.finish();
    EXPECT_EQ(link.read_to_end(), "");
  });
  cancelling c;
  const auto request = c.start(c.peer_at(server.port()));
  EXPECT_TRUE(c.wait().eof);
  EXPECT_EQ(c.asked, 1);
  EXPECT_TRUE(eventually([&] { return server.served() == 1; }));
  EXPECT_EQ(server.problem(), "");
}

TEST(cancel_request, sends_no_fin_before_the_servers_end) {
  peer_server server([](peer_link& link) {
    expect_packet(link);
    char byte = 0;
    timeval soon{0, 50'000};
    ::setsockopt(link.fd(), SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    EXPECT_EQ(::recv(link.fd(), &byte, 1, 0), -1);  // neither a byte nor an end
  });
  cancelling c;
  const auto request = c.start(c.peer_at(server.port()));
  EXPECT_TRUE(c.wait().eof);
}

TEST(cancel_request, longer_key_of_protocol_3_2_is_sent_whole) {
  const std::string long_key(256, 'k');
  peer_server server([&](peer_link& link) {
    const std::string got = link.read(12 + 256);
    EXPECT_EQ(got.substr(0, 4), std::string("\0\0\x01\x0c", 4));
    EXPECT_EQ(got.substr(12), long_key);
  });
  cancelling c;
  const auto request = c.start(c.peer_at(server.port()), long_key);
  EXPECT_TRUE(c.wait().eof);
}

class tls_cancel : public ::testing::Test {
 protected:
  trust ca_;
  server_context context_ = make_server_context(ca_.authority.issue({}));
  cancelling c_;
};

TEST_F(tls_cancel, I6_goes_over_verified_tls_and_close_notify_is_eof) {
  peer_server server([&](peer_link& link) {
    if (!link.accept_tls(context_)) throw std::runtime_error("refused");
    expect_packet(link);
    link.close_notify();
    link.finish();
  });
  const auto request = c_.start(c_.peer_at(server.port(), ca_.context()));
  EXPECT_TRUE(c_.wait().eof);
  EXPECT_TRUE(eventually([&] { return server.served() == 1; }));
  EXPECT_EQ(server.problem(), "");
}

TEST_F(tls_cancel, I4_fin_without_close_notify_is_no_eof) {
  peer_server server([&](peer_link& link) {
    if (!link.accept_tls(context_)) throw std::runtime_error("refused");
    expect_packet(link);
  });
  const auto request = c_.start(c_.peer_at(server.port(), ca_.context()));
  const auto outcome = c_.wait();
  EXPECT_FALSE(outcome.eof);
  EXPECT_EQ(outcome.phase, cancel_phase::eof);
  EXPECT_EQ(outcome.error, errc::connection_lost);
}

TEST_F(tls_cancel, I6_wrong_certificate_never_sees_the_key) {
  const certificate_authority other("Other CA");
  context_ = make_server_context(other.issue({}));
  std::string seen;
  peer_server server([&](peer_link& link) {
    EXPECT_FALSE(link.accept_tls(context_));
    link.read_to_end();
  });
  const auto request = c_.start(c_.peer_at(server.port(), ca_.context()));
  const auto outcome = c_.wait();
  EXPECT_FALSE(outcome.eof);
  EXPECT_EQ(outcome.phase, cancel_phase::tls);
  EXPECT_EQ(outcome.error, errc::tls_failed);
  EXPECT_EQ(c_.asked, 0);
}

TEST_F(tls_cancel, I6_server_that_no_longer_speaks_tls_never_sees_the_key) {
  std::string seen;
  peer_server server([&](peer_link& link) {
    link.expect_ssl_request();
    link.write("N");
    seen = link.read_to_end();
  });
  const auto request = c_.start(c_.peer_at(server.port(), ca_.context()));
  const auto outcome = c_.wait();
  EXPECT_EQ(outcome.error, errc::tls_refused);
  EXPECT_EQ(c_.asked, 0);
  EXPECT_TRUE(eventually([&] { return server.served() == 1; }));
  EXPECT_EQ(seen, "");
}

TEST(cancel_request, I4_reset_after_the_packet_is_no_eof) {
  peer_server server([](peer_link& link) {
    expect_packet(link);
    link.reset();
  });
  cancelling c;
  const auto request = c.start(c.peer_at(server.port()));
  const auto outcome = c.wait();
  EXPECT_FALSE(outcome.eof);
  EXPECT_EQ(outcome.phase, cancel_phase::eof);
  EXPECT_TRUE(is_disconnect(outcome.error));
}

TEST(cancel_request, I4_answer_instead_of_an_end_is_no_eof) {
  peer_server server([](peer_link& link) {
    expect_packet(link);
    link.write("E");
  });
  cancelling c;
  const auto request = c.start(c.peer_at(server.port()));
  const auto outcome = c.wait();
  EXPECT_FALSE(outcome.eof);
  EXPECT_EQ(outcome.phase, cancel_phase::eof);
  EXPECT_EQ(outcome.error, errc::protocol_error);
}

TEST(cancel_request, refused_connection_fails_in_phase_connect) {
  cancelling c;
  const auto request = c.start(c.peer_at(free_port()));
  const auto outcome = c.wait();
  EXPECT_FALSE(outcome.eof);
  EXPECT_EQ(outcome.phase, cancel_phase::connect);
  EXPECT_EQ(outcome.error, errc::connect_failed);
  EXPECT_EQ(c.asked, 0);
}

TEST(cancel_request, I19_answer_no_before_the_first_byte_closes_without_a_trace) {
  std::string seen = "?";
  peer_server server([&](peer_link& link) { seen = link.read_to_end(); });
  cancelling c;
  c.may = false;
  const auto request = c.start(c.peer_at(server.port()));
  c.run_dry();
  EXPECT_EQ(c.asked, 1);
  EXPECT_FALSE(c.outcome);
  EXPECT_TRUE(eventually([&] { return server.served() == 1; }));
  EXPECT_EQ(seen, "");
}

// ---- drop ----

TEST(cancel_request, dropped_at_once_does_nothing) {
  cancelling c;
  const auto request = c.start(c.peer_at(free_port()));
  request->drop();
  request->drop();
  c.run_dry();
  EXPECT_FALSE(c.outcome);
  EXPECT_EQ(c.asked, 0);
}

TEST_F(tls_cancel, dropped_during_the_handshake_sends_no_key) {
  std::mutex mutex;
  bool asked_for_tls = false;
  peer_server server([&](peer_link& link) {
    link.expect_ssl_request();
    link.write("S");
    link.read(5);
    {
      const std::lock_guard lock(mutex);
      asked_for_tls = true;
    }
    link.read_to_end();
  });
  const auto request = c_.start(c_.peer_at(server.port(), ca_.context()));
  EXPECT_TRUE(run_until(c_.io, [&] {
    const std::lock_guard lock(mutex);
    return asked_for_tls;
  }));
  request->drop();
  c_.run_dry();
  EXPECT_FALSE(c_.outcome);
  EXPECT_EQ(c_.asked, 0);
}

TEST(cancel_request, dropped_while_the_server_is_silent_closes_and_tells_nobody) {
  std::atomic<bool> got_packet{false};
  peer_server server([&](peer_link& link) {
    expect_packet(link);
    got_packet = true;
    link.read_to_end();
  });
  cancelling c;
  const auto request = c.start(c.peer_at(server.port()));
  EXPECT_TRUE(run_until(c.io, [&] { return got_packet.load(); }));
  request->drop();
  c.run_dry();
  EXPECT_FALSE(c.outcome);
  EXPECT_TRUE(eventually([&] { return server.served() == 1; }));
}

TEST(cancel_request, may_be_dropped_from_its_own_question) {
  std::string seen = "?";
  peer_server server([&](peer_link& link) { seen = link.read_to_end(); });
  asio::io_context io;
  cancelling c;
  std::shared_ptr<cancel_request> request;
  request = cancel_request::start(io.get_executor(), c.peer_at(server.port()), process_id, secret(cancel_key),
                                  {[&] {
                                     request->drop();
                                     return true;
                                   },
                                   [](const cancel::outcome&) { ADD_FAILURE(); }});
  io.run();
  EXPECT_TRUE(eventually([&] { return server.served() == 1; }));
  EXPECT_EQ(seen, "");
}

TEST(cancel_request, I28_io_context_may_go_at_any_step) {
  peer_server server([&](peer_link& link) { link.read_to_end(); });
  for (int steps = 0; steps < 6; ++steps) {
    const auto token = std::make_shared<int>(0);
    {
      cancelling c;
      cancel_request::start(c.io.get_executor(), c.peer_at(server.port()), process_id, secret(cancel_key),
                            {[token] { return true; }, [token](const cancel::outcome&) { ADD_FAILURE(); }});
      for (int i = 0; i < steps; ++i) c.io.run_one_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(token.use_count(), 1) << "after " << steps << " steps something is left";
  }
}

// ---- park ----

TEST(cancel_request, M3_parked_one_stays_open_until_the_servers_end_and_tells_nobody) {
  std::mutex mutex;
  std::condition_variable changed;
  bool got_packet = false;
  bool go = false;
  bool client_still_there = false;
  peer_server server([&](peer_link& link) {
    expect_packet(link);
    std::unique_lock lock(mutex);
    got_packet = true;
    changed.wait_for(lock, hang_guard, [&] { return go; });
    char byte = 0;
    client_still_there = ::recv(link.fd(), &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN;
  });
  cancelling c;
  auto request = c.start(c.peer_at(server.port()));
  EXPECT_TRUE(run_until(c.io, [&] {
    const std::lock_guard lock(mutex);
    return got_packet;
  }));
  request->park();
  request->park();
  request.reset();  // the owner is gone
  EXPECT_EQ(cancel::parking_place::taken(), 1U);
  for (int i = 0; i < 5; ++i) c.io.poll();
  EXPECT_EQ(cancel::parking_place::taken(), 1U);
  {
    const std::lock_guard lock(mutex);
    go = true;
  }
  changed.notify_all();
  c.run_dry();
  EXPECT_EQ(cancel::parking_place::taken(), 0U);
  ASSERT_TRUE(eventually([&] { return server.served() == 1; }));
  EXPECT_TRUE(client_still_there);
  EXPECT_FALSE(c.outcome);
}

TEST(cancel_request, parked_before_its_packet_is_dropped) {
  cancelling c;
  const auto request = c.start(c.peer_at(free_port()));
  request->park();
  EXPECT_EQ(cancel::parking_place::taken(), 0U);
  c.run_dry();
  EXPECT_FALSE(c.outcome);
}

/// Listens, reads nothing, closes nothing until destroyed.
class silent_listener {
 public:
  silent_listener()
      : server_([this](peer_link& link) {
          expect_packet(link);
          links_.push_back(descriptor(::dup(link.fd())));
          ++packets_;
        }) {}
  std::uint16_t port() const { return server_.port(); }
  int packets() const { return packets_; }

 private:
  std::vector<descriptor> links_;
  std::atomic<int> packets_{0};
  peer_server server_;  // last: its thread uses the others
};

TEST(cancel_request, M3_parking_is_bounded_and_the_oldest_goes) {
  silent_listener server;
  {
    cancelling c;
    for (std::size_t i = 0; i < cancel::parking_place::limit + 6; ++i) {
      const auto request = c.start(c.peer_at(server.port()));
      ASSERT_TRUE(run_until(c.io, [&] { return server.packets() == static_cast<int>(i + 1); }));
      // The packet has been read, but our own step behind it may still have to run.
      c.io.poll();
      request->park();
      EXPECT_EQ(cancel::parking_place::taken(), std::min(i + 1, cancel::parking_place::limit));
    }
    EXPECT_FALSE(c.outcome);
  }
  EXPECT_EQ(cancel::parking_place::taken(), 0U);  // they went with their io_context
}

TEST(cancel_request, parked_one_that_is_dropped_gives_its_place_back) {
  silent_listener server;
  cancelling c;
  const auto request = c.start(c.peer_at(server.port()));
  ASSERT_TRUE(run_until(c.io, [&] { return server.packets() == 1; }));
  c.io.poll();
  request->park();
  EXPECT_EQ(cancel::parking_place::taken(), 1U);
  request->drop();
  c.run_dry();
  EXPECT_EQ(cancel::parking_place::taken(), 0U);
}

}  // namespace
}  // namespace lido::testing
