// One stream, plain, Unix and TLS: bytes through, in every slicing, and every kind of end.
#include "driver/transport/stream.hpp"

#include "tests/transport/client.hpp"
#include "tests/transport/peer_server.hpp"

#include <lido/driver/error.hpp>

#include <asio/error.hpp>
#include <gtest/gtest.h>
#include <openssl/bio.h>

#include <signal.h>
#include <sys/socket.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <random>

namespace lido::testing {
namespace {

std::string random_bytes(std::size_t size) {
  std::mt19937_64 random(7);
  std::string bytes(size + 8, '\0');
  for (std::size_t at = 0; at < size; at += 8) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, sizeof word);
  }
  bytes.resize(size);
  return bytes;
}

enum class kind { plain, unix_socket, tls_1_2, tls_1_3 };

const char* name_of(kind k) {
  switch (k) {
    case kind::plain: return "plain";
    case kind::unix_socket: return "unix_socket";
    case kind::tls_1_2: return "tls_1_2";
    case kind::tls_1_3: return "tls_1_3";
  }
  return "";
}

bool is_tls(kind k) { return k == kind::tls_1_2 || k == kind::tls_1_3; }

/// A server that follows `script` after the handshake, and a client connected to it.
class pair {
 public:
  pair(kind k, peer_server::script script, std::size_t room = 16384)
      : folder_("lido_stream"),
        context_(make_server_context(ca_.authority.issue({}), k == kind::tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION)),
        server_(
            [this, k, script = std::move(script)](peer_link& link) {
              if (is_tls(k) && !link.accept_tls(context_)) throw std::runtime_error("handshake failed");
              script(link);
            },
            k == kind::unix_socket ? (folder_.path() / ".s.PGSQL.5432").string() : std::string()) {
    auto target = target_at(server_.port(), is_tls(k) ? ca_.context() : nullptr);
    if (k == kind::unix_socket) {
      target.host = folder_.path().string();
      target.port = 5432;
    }
    auto result = dial(io, std::move(target));
    EXPECT_FALSE(result.error) << result.context;
    client.emplace(io, std::move(result.stream), room);
  }
  ~pair() {
    client->stream().close();
    EXPECT_TRUE(eventually([this] { return server_.served() == 1; }));
    EXPECT_EQ(server_.problem(), "");
  }

  asio::io_context io;
  std::optional<talker> client;

 private:
  trust ca_;
  temporary_folder folder_;
  server_context context_;
  peer_server server_;
};

class every_stream : public ::testing::TestWithParam<kind> {};

TEST_P(every_stream, carries_eight_mebibytes_both_ways) {
  constexpr std::size_t size = 8U << 20;
  const std::string bytes = random_bytes(size);
  pair both(GetParam(), [&](peer_link& link) { link.write(link.read(size)); });
  EXPECT_EQ(both.client->stream().secure(), is_tls(GetParam()));
  both.client->write(bytes);
  EXPECT_TRUE(both.client->read(size) == bytes);
}

TEST_P(every_stream, carries_single_bytes) {
  constexpr std::size_t size = 300;
  const std::string bytes = random_bytes(size);
  pair both(
      GetParam(),
      [&](peer_link& link) {
        for (std::size_t i = 0; i < size; ++i) link.write(link.read(1));
      },
      1);
  for (std::size_t i = 0; i < size; ++i) {
    both.client->write(bytes.substr(i, 1));
    ASSERT_EQ(both.client->read(1), bytes.substr(i, 1));
  }
}

TEST_P(every_stream, clean_end_is_eof_after_all_bytes) {
  pair both(GetParam(), [&](peer_link& link) {
    link.write("last words");
    if (is_tls(GetParam())) link.close_notify();
    link.finish();
    link.read_to_end();
  });
  both.client->read_to_end();
  EXPECT_EQ(both.client->received(), "last words");
  EXPECT_EQ(both.client->error(), asio::error::eof);
  // And again, however often one asks.
  std::string room(16, '\0');
  if (is_tls(GetParam())) {
    EXPECT_EQ(both.client->stream().more(asio::buffer(room)).error, asio::error::eof);
  }
}

TEST_P(every_stream, shutdown_write_is_a_clean_end_for_the_server) {
  bool clean = false;
  {
    pair both(GetParam(), [&](peer_link& link) {
      EXPECT_EQ(link.read_to_end(&clean), "bye");
      link.write("seen");
    });
    both.client->write("bye");
    both.client->stream().shutdown_write();
    EXPECT_EQ(both.client->read(4), "seen");
  }
  EXPECT_TRUE(clean);
}

TEST_P(every_stream, reset_is_a_disconnect) {
  pair both(GetParam(), [&](peer_link& link) {
    link.read(1);
    link.reset();
  });
  both.client->write("xy");  // one byte stays unread, so that a Unix socket resets too
  both.client->read_to_end();
  EXPECT_TRUE(is_disconnect(both.client->error())) << both.client->error().message();
  EXPECT_NE(both.client->error(), asio::error::eof);
}

TEST_P(every_stream, I28_writing_to_a_dead_peer_raises_no_sigpipe) {
  struct sigaction action{};
  ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &action), 0);
  ASSERT_EQ(action.sa_handler, SIG_DFL);
  pair both(GetParam(), [&](peer_link& link) {
    link.read(1);
    link.reset();
  });
  both.client->write("xy");
  both.client->read_to_end();
  transport::io_result last;
  for (int i = 0; i < 5; ++i) last = both.client->stream().write_some("more");
  EXPECT_TRUE(is_disconnect(last.error)) << last.error.message();
}

TEST_P(every_stream, close_ends_a_pending_receive_with_operation_aborted) {
  pair both(GetParam(), [&](peer_link& link) {
    link.write("after the tickets of TLS 1.3");
    link.read_to_end();
  });
  both.client->read(28);
  both.client->start_receive();
  both.client->stream().close();
  EXPECT_FALSE(both.client->stream().is_open());
  both.client->read_to_end();
  EXPECT_EQ(both.client->error(), asio::error::operation_aborted);
  EXPECT_EQ(both.client->stream().write_some("x").error, errc::connection_closed);
}

TEST_P(every_stream, close_with_reset_resets) {
  bool clean = true;
  {
    pair both(GetParam(), [&](peer_link& link) { link.read_to_end(&clean); });
    both.client->stream().close_with_reset();
  }
  EXPECT_EQ(clean, GetParam() == kind::unix_socket);  // a Unix socket has no RST
}

TEST_P(every_stream, writes_what_fits_and_says_when_nothing_does) {
  std::mutex mutex;
  std::condition_variable changed;
  bool go = false;
  const std::string block = random_bytes(64U << 10);
  std::size_t sent = 0;
  pair both(GetParam(), [&](peer_link& link) {
    {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, hang_guard, [&] { return go; });
    }
    std::string got;
    while (got.size() < sent) got += link.read(std::min<std::size_t>(sent - got.size(), 4096));
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (got[i] != block[i % block.size()]) throw std::runtime_error("byte " + std::to_string(i) + " is wrong");
    }
    link.write("k");
  });
  std::size_t at = 0;
  for (;;) {
    // Under TLS the record that did not fit has to be offered again, from wherever it lies now.
    const std::string copy = block.substr(at);
    const auto result = both.client->stream().write_some(copy);
    ASSERT_FALSE(result.error);
    sent += result.bytes;
    at = (at + result.bytes) % block.size();
    if (result.would_block) break;
  }
  EXPECT_GT(sent, 0U);
  sent += block.size() - at;  // finish the block, so that a started record is offered whole
  {
    const std::lock_guard lock(mutex);
    go = true;
  }
  changed.notify_all();
  both.client->write(std::string(block.substr(at)));
  EXPECT_EQ(both.client->read(1), "k");
}

INSTANTIATE_TEST_SUITE_P(kinds, every_stream,
                         ::testing::Values(kind::plain, kind::unix_socket, kind::tls_1_2, kind::tls_1_3),
                         [](const auto& tested) { return name_of(tested.param); });

// ---- TLS alone ----

class tls_stream : public ::testing::TestWithParam<kind> {};

TEST_P(tls_stream, B18_fin_without_close_notify_is_connection_lost) {
  pair both(GetParam(), [](peer_link& link) {
    link.write("half a res");
    link.finish();
    link.read_to_end();
  });
  both.client->read_to_end();
  EXPECT_EQ(both.client->received(), "half a res");
  EXPECT_EQ(both.client->error(), errc::connection_lost);
}

TEST_P(tls_stream, C35_decrypted_bytes_do_not_wait_for_the_socket) {
  const std::string bytes = random_bytes(10000);
  pair both(
      GetParam(),
      [&](peer_link& link) {
        link.write(bytes);  // one record, then silence
        link.read_to_end();
      },
      100);
  EXPECT_TRUE(both.client->read(bytes.size()) == bytes);
}

TEST_P(tls_stream, small_answer_takes_one_receive) {
  pair both(GetParam(), [&](peer_link& link) {
    for (int i = 0; i < 20; ++i) link.write(link.read(8));
  });
  both.client->write("question");
  both.client->read(8);  // with the tickets of TLS 1.3
  const int before = both.client->receives();
  for (int i = 1; i < 20; ++i) {
    both.client->write("question");
    ASSERT_EQ(both.client->read(8), "question");
  }
  EXPECT_EQ(both.client->receives() - before, 19);
}

TEST_P(tls_stream, ciphertext_may_come_byte_by_byte) {
  const std::string bytes = random_bytes(200);
  pair both(GetParam(), [&](peer_link& link) {
    SSL_set0_wbio(link.ssl(), BIO_new(BIO_s_mem()));
    link.write(bytes);
    char* sealed = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(link.ssl()), &sealed);
    for (long i = 0; i < size; ++i) ::send(link.fd(), sealed + i, 1, MSG_NOSIGNAL);
    SSL_set_fd(link.ssl(), link.fd());
    link.read(1);
  });
  EXPECT_TRUE(both.client->read(bytes.size()) == bytes);
  both.client->write("x");
}

TEST_P(tls_stream, garbage_instead_of_a_record_is_a_tls_error) {
  pair both(GetParam(), [](peer_link& link) {
    ::send(link.fd(), "\x17\x03\x03\x00\x20 this is no valid ciphertext at all", 40, MSG_NOSIGNAL);
    link.read_to_end();
  });
  both.client->read_to_end();
  EXPECT_EQ(both.client->error(), errc::tls_failed);
  EXPECT_EQ(both.client->received(), "");
}

INSTANTIATE_TEST_SUITE_P(versions, tls_stream, ::testing::Values(kind::tls_1_2, kind::tls_1_3),
                         [](const auto& tested) { return name_of(tested.param); });

TEST(tls_1_3_stream, B17_key_update_in_the_middle_is_fine) {
  pair both(kind::tls_1_3, [](peer_link& link) {
    for (int i = 0; i < 3; ++i) {
      link.write("before");
      SSL_key_update(link.ssl(), SSL_KEY_UPDATE_REQUESTED);
      link.write("after!");
      EXPECT_EQ(link.read(4), "next");
    }
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(both.client->read(12), "beforeafter!");
    both.client->write("next");
  }
}

TEST(tls_1_3_stream, B17_key_update_while_our_socket_is_full_stops_no_reading) {
  std::mutex mutex;
  std::condition_variable changed;
  bool full = false;
  std::size_t sent = 0;
  pair both(kind::tls_1_3, [&](peer_link& link) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, hang_guard, [&] { return full; });
    lock.unlock();
    link.write("before");
    SSL_key_update(link.ssl(), SSL_KEY_UPDATE_REQUESTED);
    link.write("after!");
    lock.lock();
    changed.wait_for(lock, hang_guard, [&] { return !full; });
    const std::string got = link.read(sent);
    EXPECT_EQ(got, std::string(sent, 'w'));
    EXPECT_EQ(link.read(3), "end");
    link.write("ok");
  });
  // One whole record a time, so that the socket is full between two of them and SSL_write owes nothing.
  const std::string record(1000, 'w');
  transport::io_result result;
  while (!(result = both.client->stream().write_some(record)).would_block) sent += result.bytes;
  {
    const std::lock_guard lock(mutex);
    full = true;
  }
  changed.notify_all();
  EXPECT_EQ(both.client->read(12), "beforeafter!");
  {
    const std::lock_guard lock(mutex);
    full = false;
    sent += record.size();  // the one that was refused is offered again
  }
  changed.notify_all();
  both.client->write(record);
  both.client->write("end");
  EXPECT_EQ(both.client->read(2), "ok");
}

TEST(closed_stream, answers_and_does_nothing) {
  transport::stream closed;
  std::string room(8, '\0');
  EXPECT_FALSE(closed.is_open());
  EXPECT_FALSE(closed.secure());
  EXPECT_EQ(closed.write_some("x").error, errc::connection_closed);
  EXPECT_EQ(closed.accept(asio::buffer(room), {}, 0).error, errc::connection_closed);
  closed.shutdown_write();
  closed.close();
  closed.close_with_reset();
}

}  // namespace
}  // namespace lido::testing
