#include "driver/transport/dialler.hpp"

#include "tests/support/loopback.hpp"
#include "tests/transport/client.hpp"
#include "tests/transport/peer_server.hpp"

#include <lido/driver/error.hpp>

#include <asio/executor_work_guard.hpp>
#include <asio/ip/tcp.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace lido::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using transport::dial_phase;
using transport::negotiation;

std::string bytes(std::string_view text) { return std::string(text); }
constexpr std::string_view marker = "secret words of the server";

/// A look-up that hangs until it is let go; what the system's does when no name server answers.
class hanging_look_up {
 public:
  transport::look_up_function function() {
    return [s = state_](const std::string&, std::uint16_t) {
      std::unique_lock lock(s->mutex);
      s->entered = true;
      s->changed.notify_all();
      s->changed.wait(lock, [&] { return s->released; });
      return s->answer;
    };
  }
  void wait_until_entered() {
    std::unique_lock lock(state_->mutex);
    ASSERT_TRUE(state_->changed.wait_for(lock, hang_guard, [&] { return state_->entered; }));
  }
  void release(transport::looked_up answer) {
    const std::lock_guard lock(state_->mutex);
    state_->answer = std::move(answer);
    state_->released = true;
    state_->changed.notify_all();
  }
  ~hanging_look_up() { release({{}, "late"}); }

 private:
  struct state {
    std::mutex mutex;
    std::condition_variable changed;
    bool entered = false;
    bool released = false;
    transport::looked_up answer;
  };
  std::shared_ptr<state> state_ = std::make_shared<state>();
};

transport::endpoint loopback(std::uint16_t port) {
  return transport::endpoint(asio::ip::tcp::endpoint(asio::ip::make_address("127.0.0.1"), port));
}

/// A server that reads SSLRequest and answers with these bytes, then waits for the client to go.
peer_server::script answering(std::string answer) {
  return [answer = std::move(answer)](peer_link& link) {
    link.expect_ssl_request();
    link.write(answer);
    EXPECT_EQ(link.read_to_end(), "");
  };
}

TEST(dialler, plain_connection_sends_nothing_of_its_own) {
  peer_server server([](peer_link& link) { link.write(link.read(5)); });
  asio::io_context io;
  auto result = dial(io, target_at(server.port()));
  ASSERT_FALSE(result.error) << result.context;
  EXPECT_EQ(result.phase, dial_phase::done);
  EXPECT_FALSE(result.stream.secure());
  EXPECT_FALSE(result.peer.secure);
  EXPECT_EQ(result.peer.endpoint, loopback(server.port()));
  talker client(io, std::move(result.stream));
  client.write("hello");
  EXPECT_EQ(client.read(5), "hello");
}

TEST(dialler, sockets_are_non_blocking_and_notice_dead_peers) {
  peer_server server([](peer_link& link) { link.read_to_end(); });
  asio::io_context io;
  auto result = dial(io, target_at(server.port()));
  ASSERT_FALSE(result.error) << result.context;
  auto& socket = result.stream.native();
  EXPECT_TRUE(socket.native_non_blocking());
  asio::ip::tcp::no_delay no_delay;
  asio::socket_base::keep_alive keep_alive;
  socket.get_option(no_delay);
  socket.get_option(keep_alive);
  EXPECT_TRUE(no_delay.value());
  EXPECT_TRUE(keep_alive.value());
}

int tcp_option(transport::stream& stream, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(stream.native().native_handle(), IPPROTO_TCP, name, &value, &size), 0);
  return value;
}

TEST(dialler, tcp_is_told_what_the_knobs_say) {
  peer_server server([](peer_link& link) { link.read_to_end(); });
  asio::io_context io;
  auto target = target_at(server.port());
  auto usual = dial(io, target);
  ASSERT_FALSE(usual.error) << usual.context;
  EXPECT_EQ(tcp_option(usual.stream, TCP_USER_TIMEOUT), 30'000);
  EXPECT_EQ(tcp_option(usual.stream, TCP_KEEPIDLE), 60);
  usual.stream.close();
  target.tcp = {true, 5, 6, 7, 8000};
  auto told = dial(io, target);
  EXPECT_EQ(tcp_option(told.stream, TCP_KEEPIDLE), 5);
  EXPECT_EQ(tcp_option(told.stream, TCP_KEEPINTVL), 6);
  EXPECT_EQ(tcp_option(told.stream, TCP_KEEPCNT), 7);
  EXPECT_EQ(tcp_option(told.stream, TCP_USER_TIMEOUT), 8000);
  told.stream.close();
  target.tcp = {false, 0, 0, 0, 0};
  auto off = dial(io, target);
  asio::socket_base::keep_alive keep_alive;
  off.stream.native().get_option(keep_alive);
  EXPECT_FALSE(keep_alive.value());
  EXPECT_EQ(tcp_option(off.stream, TCP_USER_TIMEOUT), 0) << "the system's default";
}

TEST(dialler, families_take_turns) {
  asio::io_context io;
  const auto port = free_port();
  const auto v6 = [port](const char* text) {
    return transport::endpoint(asio::ip::tcp::endpoint(asio::ip::make_address(text), port));
  };
  auto target = target_at(port, nullptr, "db.example");
  target.resolve = [&](const std::string&, std::uint16_t p) {
    return transport::looked_up{{v6("::1"), v6("::1"), v6("::1"), loopback(p), loopback(p)}, {}};
  };
  const auto result = dial(io, std::move(target));
  EXPECT_EQ(result.error, errc::connect_failed);
  std::string order;
  for (std::size_t at = 0; (at = result.context.find("db.example (", at)) != std::string::npos; ++at)
    order += result.context[at + 12] == '[' ? '6' : '4';
  EXPECT_EQ(order, "64646") << result.context;
}

TEST(dialler, name_is_looked_up_and_every_address_tried_in_order) {
  peer_server server([](peer_link& link) { link.read_to_end(); });
  asio::io_context io;
  auto target = target_at(server.port(), nullptr, "db.example");
  const auto nobody = loopback(free_port());
  target.resolve = [&](const std::string& host, std::uint16_t port) {
    EXPECT_EQ(host, "db.example");
    EXPECT_EQ(port, server.port());
    return transport::looked_up{{nobody, loopback(port)}, {}};
  };
  const auto result = dial(io, std::move(target));
  ASSERT_FALSE(result.error) << result.context;
  EXPECT_EQ(result.peer.host, "db.example");
  EXPECT_EQ(result.peer.endpoint, loopback(server.port()));
}

TEST(dialler, system_look_up_knows_localhost) {
  peer_server server([](peer_link& link) { link.read_to_end(); });
  asio::io_context io;
  const auto result = dial(io, target_at(server.port(), nullptr, "localhost"));
  EXPECT_FALSE(result.error) << result.context;
}

TEST(dialler, address_that_never_answers_yields_to_the_next) {
  peer_server server([](peer_link& link) { link.read_to_end(); });
  // A listener whose backlog is full and who never accepts: the kernel drops every further SYN.
  const descriptor deaf(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(deaf.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::getsockname(deaf.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(::listen(deaf.get(), 0), 0);
  const descriptor filler(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(filler.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);

  asio::io_context io;
  auto target = target_at(server.port(), nullptr, "db.example");
  const auto deaf_end = loopback(ntohs(address.sin_port));
  target.resolve = [&](const std::string&, std::uint16_t port) {
    return transport::looked_up{{deaf_end, loopback(port)}, {}};
  };
  const auto result = dial(io, std::move(target));
  ASSERT_FALSE(result.error) << result.context;
  EXPECT_EQ(result.peer.endpoint, loopback(server.port()));
}

TEST(dialler, refusal_names_every_address) {
  asio::io_context io;
  const auto port = free_port();
  auto target = target_at(port, nullptr, "db.example");
  target.resolve = [](const std::string&, std::uint16_t p) {
    return transport::looked_up{{loopback(p), loopback(p)}, {}};
  };
  const auto result = dial(io, std::move(target));
  EXPECT_EQ(result.error, errc::connect_failed);
  EXPECT_EQ(result.phase, dial_phase::connect);
  EXPECT_FALSE(result.stream.is_open());
  const std::string line = "db.example (127.0.0.1:" + std::to_string(port) + "): Connection refused";
  EXPECT_EQ(result.context, line + "; " + line);
}

TEST(dialler, unknown_name_is_resolve_failed) {
  asio::io_context io;
  auto target = target_at(5432, nullptr, "nowhere.example");
  target.resolve = [](const std::string&, std::uint16_t) {
    return transport::looked_up{{}, "Name or service not known"};
  };
  const auto result = dial(io, std::move(target));
  EXPECT_EQ(result.error, errc::resolve_failed);
  EXPECT_EQ(result.phase, dial_phase::resolve);
  EXPECT_EQ(result.context, "nowhere.example: Name or service not known");
}

TEST(dialler, look_up_that_throws_is_resolve_failed) {
  asio::io_context io;
  auto target = target_at(5432, nullptr, "db.example");
  target.resolve = [](const std::string&, std::uint16_t) -> transport::looked_up { throw std::bad_alloc(); };
  EXPECT_EQ(dial(io, std::move(target)).error, errc::resolve_failed);
}

TEST(dialler, empty_host_and_host_with_zero_byte_are_refused) {
  asio::io_context io;
  EXPECT_EQ(dial(io, target_at(5432, nullptr, "")).error, errc::resolve_failed);
  EXPECT_EQ(dial(io, target_at(5432, nullptr, std::string("a\0b", 3))).error, errc::resolve_failed);
}

TEST(dialler, unix_socket_is_plain_whatever_is_asked) {
  const temporary_folder folder("lido_unix");
  peer_server server([](peer_link& link) { link.write(link.read(4)); }, (folder.path() / ".s.PGSQL.5432").string());
  const trust ca;
  asio::io_context io;
  auto result = dial(io, target_at(5432, ca.context(), folder.path().string()));
  ASSERT_FALSE(result.error) << result.context;
  EXPECT_TRUE(result.peer.unix_socket);
  EXPECT_FALSE(result.peer.secure);
  talker client(io, std::move(result.stream));
  client.write("ping");
  EXPECT_EQ(client.read(4), "ping");
}

TEST(dialler, missing_unix_socket_is_named) {
  asio::io_context io;
  const auto result = dial(io, target_at(5432, nullptr, "/nonexistent"));
  EXPECT_EQ(result.error, errc::connect_failed);
  EXPECT_EQ(result.context, "/nonexistent/.s.PGSQL.5432: No such file or directory");
}

TEST(dialler, overlong_unix_path_is_an_error_that_says_so) {
  asio::io_context io;
  const auto result = dial(io, target_at(5432, nullptr, "/" + std::string(120, 'x')));
  EXPECT_EQ(result.error, errc::connect_failed);
  EXPECT_THAT(result.context, HasSubstr("107 bytes"));
}

TEST(dialler, full_unix_backlog_is_waited_out) {
  const temporary_folder folder("lido_unix");
  const std::string path = (folder.path() / ".s.PGSQL.5432").string();
  std::mutex mutex;
  std::condition_variable changed;
  bool go = false;
  peer_server server(
      [&](peer_link& link) {
        std::unique_lock lock(mutex);
        changed.wait_for(lock, hang_guard, [&] { return go; });
        link.write("x");
      },
      path, 0);
  asio::io_context io;
  // One is being served, the next fill the backlog, the last have no room: all the same, all are served in the end.
  constexpr int clients = 6;
  int connected = 0;
  std::vector<std::shared_ptr<transport::dialler>> diallers;
  std::vector<transport::dial_result> results;
  for (int i = 0; i < clients; ++i) {
    diallers.push_back(transport::dialler::start(io.get_executor(), target_at(5432, nullptr, folder.path().string()),
                                                 [&](transport::dial_result r) {
                                                   EXPECT_FALSE(r.error) << r.context;
                                                   ++connected;
                                                   results.push_back(std::move(r));
                                                 }));
  }
  for (int i = 0; i < 200; ++i) io.run_one_for(std::chrono::milliseconds(1));
  EXPECT_LT(connected, clients);
  {
    const std::lock_guard lock(mutex);
    go = true;
  }
  changed.notify_all();
  EXPECT_TRUE(run_until(io, [&] { return connected == clients; }));
}

TEST(dialler, B1_refused_tls_is_tls_refused_after_exactly_eight_bytes) {
  peer_server server(answering("N"));
  const trust ca;
  asio::io_context io;
  const auto result = dial(io, target_at(server.port(), ca.context()));
  EXPECT_EQ(result.error, errc::tls_refused);
  EXPECT_EQ(result.phase, dial_phase::tls);
  EXPECT_FALSE(result.stream.is_open());
  EXPECT_TRUE(eventually([&] { return server.served() == 1; }));
  EXPECT_EQ(server.problem(), "");
}

TEST(dialler, refused_tls_goes_on_in_plain_text_when_only_preferred) {
  peer_server server([](peer_link& link) {
    link.expect_ssl_request();
    link.write("N");
    link.write(link.read(2));
  });
  const trust ca;
  asio::io_context io;
  auto target = target_at(server.port(), ca.context());
  target.negotiation = negotiation::tls_if_offered;
  auto result = dial(io, std::move(target));
  ASSERT_FALSE(result.error) << result.context;
  EXPECT_FALSE(result.peer.secure);
  EXPECT_EQ(result.peer.tls, nullptr);
  talker client(io, std::move(result.stream));
  client.write("ok");
  EXPECT_EQ(client.read(2), "ok");
}

TEST(dialler, B2_plaintext_behind_the_answer_is_an_attack) {
  peer_server server(answering(bytes("S") + std::string("R\0\0\0\x08\0\0\0\0", 9)));
  const trust ca;
  asio::io_context io;
  const auto result = dial(io, target_at(server.port(), ca.context()));
  EXPECT_EQ(result.error, errc::plaintext_before_tls);
  EXPECT_EQ(result.phase, dial_phase::tls);
}

TEST(dialler, B3_plaintext_before_server_hello_is_a_tls_error) {
  peer_server server([](peer_link& link) {
    link.expect_ssl_request();
    link.write("S");
    link.read(5);  // the client has begun its handshake
    link.write(std::string("\0", 1) + bytes(marker));
    link.read_to_end();
  });
  const trust ca;
  asio::io_context io;
  const auto result = dial(io, target_at(server.port(), ca.context()));
  EXPECT_EQ(result.error, errc::tls_failed);
  EXPECT_THAT(result.context, Not(HasSubstr(std::string(marker))));
}

TEST(dialler, B4_B5_error_text_before_tls_is_never_shown) {
  const std::string v2 = bytes("E") + bytes(marker) + std::string("\n\0", 2);
  const std::string v3 = bytes("E") + std::string("\0\0\0\x40SFATAL\0M", 12) + bytes(marker) + std::string("\0\0", 2);
  for (const auto& answer : {v2, v3}) {
    peer_server server(answering(answer));
    const trust ca;
    asio::io_context io;
    for (const auto mode : {negotiation::tls, negotiation::tls_if_offered}) {
      auto target = target_at(server.port(), ca.context());
      target.negotiation = mode;
      const auto result = dial(io, std::move(target));
      EXPECT_EQ(result.error, errc::connect_failed);
      EXPECT_THAT(result.context, Not(HasSubstr("words of the server")));
      EXPECT_THAT(result.context, Not(HasSubstr("FATAL")));
      EXPECT_FALSE(result.stream.is_open());
    }
  }
}

TEST(dialler, B6_any_other_answer_to_ssl_request_kills) {
  const std::vector<std::string> answers{"G", "X",   std::string(1, '\0'), "\x16", "HTTP/1.1 400 Bad Request\r\n\r\n",
                                         "s", "\xff"};
  for (const auto& answer : answers) {
    peer_server server(answering(answer));
    const trust ca;
    asio::io_context io;
    const auto result = dial(io, target_at(server.port(), ca.context()));
    EXPECT_EQ(result.error, errc::connect_failed) << hex_dump(answer);
    EXPECT_THAT(result.context, Not(HasSubstr("HTTP")));
  }
}

TEST(dialler, B8_end_instead_of_an_answer_is_connect_failed_and_not_retried_in_plain_text) {
  for (const bool with_reset : {false, true}) {
    peer_server server([&](peer_link& link) {
      link.expect_ssl_request();
      if (with_reset) link.reset();
    });
    const trust ca;
    asio::io_context io;
    auto target = target_at(server.port(), ca.context());
    target.negotiation = negotiation::tls_if_offered;
    EXPECT_EQ(dial(io, std::move(target)).error, errc::connect_failed);
    EXPECT_TRUE(eventually([&] { return server.served() == 1; }));
    EXPECT_EQ(server.problem(), "");
  }
}

TEST(dialler, B9_alert_instead_of_a_handshake_is_a_tls_error) {
  peer_server server([](peer_link& link) {
    link.expect_ssl_request();
    link.write("S");
    link.read(5);
    link.write(std::string("\x15\x03\x03\x00\x02\x02\x28", 7));
    link.read_to_end();
  });
  const trust ca;
  asio::io_context io;
  const auto result = dial(io, target_at(server.port(), ca.context()));
  EXPECT_EQ(result.error, errc::tls_failed);
  EXPECT_THAT(result.context, HasSubstr("handshake failure"));
}

TEST(dialler, server_that_ends_during_the_handshake_is_connect_failed) {
  peer_server server([](peer_link& link) {
    link.expect_ssl_request();
    link.write("S");
    link.read(5);
  });
  const trust ca;
  asio::io_context io;
  const auto result = dial(io, target_at(server.port(), ca.context()));
  EXPECT_EQ(result.error, errc::connect_failed);
  EXPECT_EQ(result.phase, dial_phase::tls);
}

TEST(dialler, B7_B10_silence_at_any_step_is_ended_by_cancel_without_an_answer) {
  const trust ca;
  const std::vector<peer_server::script> silences{[](peer_link& link) {  // after SSLRequest
                                                    link.expect_ssl_request();
                                                    link.read_to_end();
                                                  },
                                                  [](peer_link& link) {  // before ServerHello
                                                    link.expect_ssl_request();
                                                    link.write("S");
                                                    link.read_to_end();
                                                  },
                                                  [](peer_link& link) {  // one byte of a record, then nothing
                                                    link.expect_ssl_request();
                                                    link.write("S");
                                                    link.read(5);
                                                    link.write("\x16");
                                                    link.read_to_end();
                                                  }};
  for (const auto& silence : silences) {
    peer_server server(silence);
    asio::io_context io;
    bool called = false;
    const auto dialler = transport::dialler::start(io.get_executor(), target_at(server.port(), ca.context()),
                                                   [&](transport::dial_result) { called = true; });
    ASSERT_TRUE(run_until(io, [&] { return dialler->phase() == dial_phase::tls; }));
    for (int i = 0; i < 20; ++i) io.run_one_for(std::chrono::milliseconds(1));
    dialler->cancel();
    dialler->cancel();
    EXPECT_TRUE(run_until(io, [&] { return server.served() == 1; }));  // the server saw our end
    io.restart();
    io.run();  // nothing left to wait for
    EXPECT_FALSE(called);
  }
}

TEST(dialler, same_peer_uses_the_endpoint_found_and_asks_no_resolver) {
  const trust ca;
  const auto context = make_server_context(ca.authority.issue({}));
  peer_server server([&](peer_link& link) {
    ASSERT_TRUE(link.accept_tls(context));
    link.write(link.read(1));
  });
  asio::io_context io;
  auto first = dial(io, target_at(server.port(), ca.context(), "localhost"));
  ASSERT_FALSE(first.error) << first.context;
  first.stream.close();
  transport::dial_target again;
  again.same_peer = first.peer;
  again.resolve = [](const std::string&, std::uint16_t) -> transport::looked_up {
    ADD_FAILURE() << "a second look-up";
    return {};
  };
  auto second = dial(io, std::move(again));
  ASSERT_FALSE(second.error) << second.context;
  EXPECT_TRUE(second.stream.secure());
  EXPECT_EQ(second.peer.endpoint, first.peer.endpoint);
}

TEST(dialler, I6_tls_peer_is_never_asked_in_plain_text_again) {
  peer_server server(answering("N"));
  const trust ca;
  asio::io_context io;
  transport::dial_target target;
  target.negotiation = negotiation::plain;
  target.same_peer = transport::peer{loopback(server.port()), "localhost", false, true, ca.context()};
  EXPECT_EQ(dial(io, std::move(target)).error, errc::tls_refused);
}

TEST(dialler, I20_hanging_look_up_does_not_delay_cancel) {
  hanging_look_up hanging;
  asio::io_context io;
  auto target = target_at(5432, nullptr, "db.example");
  target.resolve = hanging.function();
  bool called = false;
  const auto dialler =
      transport::dialler::start(io.get_executor(), std::move(target), [&](transport::dial_result) { called = true; });
  io.run_one();
  hanging.wait_until_entered();
  EXPECT_EQ(dialler->phase(), dial_phase::resolve);
  dialler->cancel();
  io.run();  // ends although the thread still hangs
  hanging.release({{loopback(5432)}, {}});
  io.restart();
  io.run();
  EXPECT_FALSE(called);
}

TEST(dialler, I28_io_context_may_go_while_a_look_up_hangs) {
  hanging_look_up hanging;
  const auto token = std::make_shared<int>(0);
  {
    asio::io_context io;
    auto target = target_at(5432, nullptr, "db.example");
    target.resolve = hanging.function();
    transport::dialler::start(io.get_executor(), std::move(target), [token](transport::dial_result) { ADD_FAILURE(); });
    io.run_one();
    hanging.wait_until_entered();
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);  // its handler went with the io_context
  hanging.release({{loopback(5432)}, {}});
}

TEST(dialler, keeps_itself_alive_and_the_io_context_busy_until_its_end) {
  hanging_look_up hanging;
  asio::io_context io;
  auto target = target_at(free_port(), nullptr, "db.example");
  target.resolve = hanging.function();
  bool called = false;
  transport::dialler::start(io.get_executor(), std::move(target), [&](transport::dial_result) { called = true; });
  io.run_one();
  hanging.release({{}, "nobody"});
  io.run();
  EXPECT_TRUE(called);
}

TEST(dialler, handler_is_never_called_inside_start) {
  asio::io_context io;
  bool called = false;
  transport::dialler::start(io.get_executor(), target_at(1, nullptr, ""),
                            [&](transport::dial_result) { called = true; });
  EXPECT_FALSE(called);
  io.run();
  EXPECT_TRUE(called);
}

TEST(dialler, handler_may_cancel_its_own_dialler) {
  asio::io_context io;
  std::shared_ptr<transport::dialler> dialler;
  int calls = 0;
  dialler = transport::dialler::start(io.get_executor(), target_at(1, nullptr, ""), [&](transport::dial_result) {
    ++calls;
    dialler->cancel();
  });
  io.run();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace lido::testing
