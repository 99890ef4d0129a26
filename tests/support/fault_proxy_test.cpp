// Each fault of the proxy does on the wire what its name says: seen by a plain client, against a real server.
#include "tests/support/fault_proxy.hpp"

#include "tests/support/backend_messages.hpp"
#include "tests/support/blocking_stream.hpp"
#include "tests/support/postgres_cluster.hpp"
#include "tests/support/process.hpp"
#include "tests/support/tls_contexts.hpp"

#include <gtest/gtest.h>

namespace lido::testing {
namespace {

using namespace std::chrono_literals;

const std::string ssl_request = from_hex("00000008 04d2162f");
const std::string cancel_request = from_hex("00000010 04d2162e 00000001 00000002");

std::string startup() {
  const auto body = int32_bytes(196608) + zero_ended("user") + zero_ended(shared_cluster().trusted_user()) +
                    zero_ended("database") + zero_ended(shared_cluster().database()) + '\0';
  return int32_bytes(static_cast<std::int64_t>(body.size()) + 4) + body;
}

// Sends a cancel and says how the other side ended it.
peer_end cancel_through(const fault_proxy& proxy, bool encrypted = true,
                        const std::string& key = from_hex("00000001 00000002")) {
  auto client = blocking_stream::connect(proxy.port());
  const auto context = client_tls(shared_cluster().authority().certificate());
  try {
    if (encrypted) {
      client.send(ssl_request);
      if (client.receive(1) != "S") return peer_end::alert;
      client.start_tls(*context, blocking_stream::role::client);
    }
    client.send(from_hex("00000010 04d2162e") + key);
  } catch (const stream_ended& ended) {
    return ended.end;
  }
  return client.wait_for_end();
}

// A client that has logged in and answers queries of `select 1` with the number of bytes received.
struct session {
  explicit session(const fault_proxy& proxy, bool encrypted = true)
      : stream{blocking_stream::connect(proxy.port())}, context{client_tls()} {
    if (encrypted) {
      stream.send(ssl_request);
      EXPECT_EQ(stream.receive(1), "S");
      stream.start_tls(*context, blocking_stream::role::client);
    }
    stream.send(startup());
    const auto greeting = read_to_ready();
    key = greeting.substr(greeting.find(from_hex("4b 0000000c")) + 5, 8);
  }

  std::string read_to_ready() {
    std::string all;
    while (!all.ends_with(ready('I'))) {
      const auto bytes = stream.receive_some();
      if (bytes.empty()) throw stream_ended{stream.end()};
      all += bytes;
    }
    return all;
  }
  void ask() { stream.send(raw('Q', zero_ended("select repeat('x', 100)"))); }
  bool works() {
    ask();
    return read_to_ready().find(std::string(100, 'x')) != std::string::npos;
  }

  blocking_stream stream;
  tls_context context;
  std::string key;  // pid and secret, as a CancelRequest wants them
};

TEST(fault_proxy, relays_main_connections_with_and_without_tls) {
  const fault_proxy proxy{shared_cluster()};
  session secret{proxy};
  session open{proxy, false};
  EXPECT_TRUE(secret.works());
  EXPECT_TRUE(open.works());
  EXPECT_EQ(proxy.counters().active_main, 2U);
  EXPECT_EQ(proxy.counters().cancels_seen, 0U);
}

TEST(fault_proxy, is_transparent_to_libpq_with_full_verification) {
  const fault_proxy proxy{shared_cluster()};
  const auto& cluster = shared_cluster();
  const auto dsn = "host=localhost port=" + std::to_string(proxy.port()) + " dbname=lido user=" + cluster.user() +
                   " password=" + cluster.password() +
                   " channel_binding=disable sslmode=verify-full sslrootcert=" + cluster.ca_file().string();
  const auto result =
      run_process({"/usr/bin/psql", "-XAtq", "-d", dsn, "-c", "select sum(n) from generate_series(1, 200000) n"});
  EXPECT_EQ(result.output, "20000100000\n") << result.errors;
}

TEST(fault_proxy, recognises_a_cancel_by_content) {
  const fault_proxy proxy{shared_cluster()};
  for (const bool encrypted : {true, false}) EXPECT_EQ(cancel_through(proxy, encrypted), peer_end::closed);
  EXPECT_TRUE(proxy.wait_until([](const proxy_counters& now) { return now.active_main + now.active_cancel == 0; }));
  EXPECT_EQ(proxy.counters().cancels_seen, 2U);
  EXPECT_EQ(proxy.counters().cancels_forwarded, 2U);
  EXPECT_EQ(proxy.counters().main_seen, 0U);
}

TEST(fault_proxy, a_forwarded_cancel_cancels) {
  const fault_proxy proxy{shared_cluster()};
  session victim{proxy};
  victim.stream.send(raw('Q', zero_ended("select pg_sleep(60)")));
  const auto running = [] {
    const auto* count =
        "select count(*) from pg_stat_activity where query "
        "like 'select pg_sleep%' and state = 'active'";
    return shared_cluster().sql(count) == "1";
  };
  ASSERT_TRUE(eventually(running));
  EXPECT_EQ(cancel_through(proxy, true, victim.key), peer_end::closed);
  EXPECT_NE(victim.read_to_ready().find("57014"), std::string::npos);
}

struct early_case {
  cancel_fault fault;
  peer_end expected;
  std::uint64_t forwarded;
};

TEST(fault_proxy, faults_of_the_cancel_connection) {
  const std::vector<early_case> cases{
      {cancel_fault::reset, peer_end::reset, 0},
      {cancel_fault::close_on_ssl_request, peer_end::closed, 0},
      {cancel_fault::close_after_s, peer_end::truncated, 0},
      {cancel_fault::garbage_answer, peer_end::alert, 0},
      {cancel_fault::error_response_instead_of_s, peer_end::alert, 0},
      {cancel_fault::wrong_certificate, peer_end::alert, 0},
      {cancel_fault::swallow, peer_end::closed, 0},
      {cancel_fault::delay, peer_end::closed, 1},
      {cancel_fault::duplicate, peer_end::closed, 2},
      {cancel_fault::reset_after_write, peer_end::reset, 1},
      {cancel_fault::truncate_tls, peer_end::truncated, 1},
  };
  for (const auto& [fault, expected, forwarded] : cases) {
    fault_proxy proxy{shared_cluster()};
    session bystander{proxy};
    proxy.treat_new_connections_as_cancel(true);
    proxy.set_cancel_fault(fault, 50ms);
    const auto end = cancel_through(proxy);
    // After `S` and FIN our ClientHello is answered with RST: either may be seen first.
    const bool raced = fault == cancel_fault::close_after_s && end == peer_end::reset;
    EXPECT_TRUE(end == expected || raced) << static_cast<int>(fault) << ": " << to_string(end);
    EXPECT_EQ(proxy.counters().cancels_forwarded, forwarded) << static_cast<int>(fault);
    EXPECT_EQ(proxy.counters().cancels_seen, 1U) << static_cast<int>(fault);
    EXPECT_TRUE(bystander.works());
  }
}

TEST(fault_proxy, silent_faults_give_no_end) {
  for (const auto fault : {cancel_fault::silent_before_s, cancel_fault::silent_after_s, cancel_fault::black_hole,
                           cancel_fault::never_answer}) {
    fault_proxy proxy{shared_cluster()};
    proxy.treat_new_connections_as_cancel(true);
    proxy.set_cancel_fault(fault);
    const bool in_tls = fault == cancel_fault::black_hole || fault == cancel_fault::never_answer;
    auto client = blocking_stream::connect(proxy.port());
    const auto context = client_tls();
    client.send(ssl_request);
    if (fault != cancel_fault::silent_before_s) {
      EXPECT_EQ(client.receive(1), "S");
    }
    if (in_tls) {
      client.start_tls(*context, blocking_stream::role::client);
      client.send(cancel_request);
    }
    const std::uint64_t forwarded = fault == cancel_fault::never_answer ? 1 : 0;
    EXPECT_TRUE(proxy.wait_until([&](const proxy_counters& now) { return now.cancels_forwarded == forwarded; }));
    client.pause(50ms);
    EXPECT_EQ(proxy.counters().active_cancel, 1U);
    client.close();
    EXPECT_TRUE(proxy.wait_until([](const proxy_counters& now) { return now.active_cancel == 0; }));
  }
}

TEST(fault_proxy, refuse_closes_the_port_only_while_the_next_connection_is_a_cancel) {
  fault_proxy proxy{shared_cluster()};
  proxy.set_cancel_fault(cancel_fault::refuse);
  proxy.expect_main_connections(2);
  session first{proxy};
  {
    session second{proxy};
    EXPECT_THROW(blocking_stream::connect(proxy.port()), std::system_error);
    EXPECT_TRUE(second.works());
  }
  EXPECT_TRUE(proxy.wait_until([](const proxy_counters& now) { return now.active_main == 1; }));
  proxy.expect_main_connections(2);  // returns when the proxy has done what it counted: the port is open again
  session third{proxy};
  EXPECT_TRUE(third.works());
}

TEST(fault_proxy, a_held_cancel_goes_on_when_released) {
  fault_proxy proxy{shared_cluster()};
  proxy.set_cancel_fault(cancel_fault::hold);
  auto client = blocking_stream::connect(proxy.port());
  client.send(cancel_request);
  ASSERT_TRUE(proxy.wait_until([](const proxy_counters& now) { return now.held == 1; }));
  EXPECT_EQ(proxy.counters().cancels_forwarded, 0U);
  proxy.release_held();
  EXPECT_EQ(client.wait_for_end(), peer_end::closed);
  EXPECT_EQ(proxy.counters().cancels_forwarded, 1U);
}

TEST(fault_proxy, main_connections_end_as_asked) {
  fault_proxy proxy{shared_cluster()};
  session killed{proxy};
  proxy.kill_main();
  EXPECT_EQ(killed.stream.wait_for_end(), peer_end::reset);
  session closed{proxy};
  proxy.close_main();
  EXPECT_EQ(closed.stream.wait_for_end(), peer_end::truncated);
  session plain{proxy, false};
  proxy.close_main();
  EXPECT_EQ(plain.stream.wait_for_end(), peer_end::closed);
}

TEST(fault_proxy, a_stall_keeps_every_byte) {
  fault_proxy proxy{shared_cluster()};
  session client{proxy};
  proxy.stall_main(true);
  client.ask();
  client.stream.pause(50ms);
  proxy.stall_main(false);
  EXPECT_NE(client.read_to_ready().find(std::string(100, 'x')), std::string::npos);
}

TEST(fault_proxy, cuts_after_exactly_so_many_bytes) {
  fault_proxy proxy{shared_cluster()};
  for (const auto end : {connection_end::reset, connection_end::close}) {
    proxy.no_cut();
    session client{proxy, false};
    proxy.cut_main_after(direction::to_client, 7, end);
    std::string seen;
    client.stream.on_received([&](std::string_view bytes) { seen += bytes; });
    client.ask();
    const bool closed = client.stream.wait_for_end() == peer_end::closed;
    EXPECT_EQ(closed, end == connection_end::close);
    // What RST overtakes is lost.
    EXPECT_LE(seen.size(), 7U);
    EXPECT_TRUE(!closed || seen.size() == 7U);
  }
  proxy.cut_main_after(direction::to_server, 3, connection_end::close);
  EXPECT_THROW(session(proxy, false), stream_ended);
}

TEST(fault_proxy, slices_and_delays_change_no_byte) {
  fault_proxy proxy{shared_cluster()};
  session client{proxy};
  traffic_shape shape;
  shape.slice = 1;
  proxy.shape_main(shape);
  EXPECT_TRUE(client.works());
  shape.slice = 0;
  shape.latency_to_server = 30ms;
  shape.latency_to_client = 30ms;
  proxy.shape_main(shape);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(client.works());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 60ms);
}

TEST(fault_proxy, a_closed_port_opens_again) {
  fault_proxy proxy{shared_cluster()};
  proxy.stop_listening();
  EXPECT_THROW(blocking_stream::connect(proxy.port()), std::system_error);
  proxy.listen_again();
  session client{proxy};
  EXPECT_TRUE(client.works());
}

TEST(fault_proxy, without_an_identity_tls_passes_through_unseen) {
  proxy_settings settings;
  settings.port = shared_cluster().port();
  fault_proxy proxy{settings};
  session client{proxy};
  EXPECT_TRUE(client.works());
  EXPECT_EQ(proxy.counters().main_seen, 1U);
  EXPECT_EQ(cancel_through(proxy), peer_end::closed);
  EXPECT_EQ(proxy.counters().cancels_seen, 0U);
}

TEST(fault_proxy, the_clients_half_close_waits_for_the_servers_end) {
  fault_proxy proxy{shared_cluster()};
  session client{proxy, false};
  std::string seen;
  client.stream.on_received([&](std::string_view bytes) { seen += bytes; });
  client.stream.send(raw('Q', zero_ended("select pg_sleep(0.1), 'the answer'")));
  client.stream.half_close();
  EXPECT_EQ(client.stream.wait_for_end(), peer_end::closed);
  EXPECT_NE(seen.find("the answer"), std::string::npos);
}

TEST(fault_proxy, can_be_destroyed_with_everything_under_way) {
  auto proxy = std::make_unique<fault_proxy>(shared_cluster());
  session client{*proxy};
  proxy->set_cancel_fault(cancel_fault::hold);
  auto held = blocking_stream::connect(proxy->port());
  held.send(cancel_request);
  ASSERT_TRUE(proxy->wait_until([](const proxy_counters& now) { return now.held == 1; }));
  proxy->stall_main(true);
  client.ask();
  proxy.reset();
  EXPECT_NE(client.stream.wait_for_end(), peer_end::silent);
}

}  // namespace
}  // namespace lido::testing
