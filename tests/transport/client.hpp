// The client's side of these tests: an io_context that runs until something happened, dialling, and reading and writing
// through a stream as its owner does.
#pragma once

#include "driver/transport/dialler.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/files.hpp"

#include <lido/driver/config.hpp>

#include <asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lido::testing {

/// Runs handlers until `done`; false when the hang guard ran out first.
inline bool run_until(asio::io_context& io, const std::function<bool()>& done) {
  const auto limit = std::chrono::steady_clock::now() + hang_guard;
  while (!done()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    if (io.stopped()) io.restart();
    io.run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

inline transport::dial_target target_at(std::uint16_t port, std::shared_ptr<const transport::tls_context> tls = nullptr,
                                        std::string host = "127.0.0.1") {
  transport::dial_target target;
  target.host = std::move(host);
  target.port = port;
  target.negotiation = tls ? transport::negotiation::tls : transport::negotiation::plain;
  target.tls = std::move(tls);
  return target;
}

/// Fails the test and returns a default result when nothing comes.
inline transport::dial_result dial(asio::io_context& io, transport::dial_target target) {
  std::optional<transport::dial_result> result;
  const auto dialler = transport::dialler::start(io.get_executor(), std::move(target),
                                                 [&](transport::dial_result r) { result.emplace(std::move(r)); });
  const bool came = run_until(io, [&] { return result.has_value(); });
  dialler->cancel();
  EXPECT_TRUE(came) << "dialling did not end";
  return came ? std::move(*result) : transport::dial_result{};
}

/// A CA in a file and contexts that trust it.
class trust {
 public:
  explicit trust(key_kind kind = key_kind::ec_p256) : authority("Test CA", kind), folder_("lido_tls") {
    write_file(folder_.path() / "ca.pem", authority.certificate());
  }

  connect_config config(lido::sslmode mode = lido::sslmode::verify_full) const {
    connect_config made;
    made.sslmode = mode;
    made.sslrootcert = (folder_.path() / "ca.pem").string();
    return made;
  }

  static std::shared_ptr<const transport::tls_context> context_of(const connect_config& config) {
    std::error_code ec;
    std::string words;
    auto made = transport::tls_context::create(config, ec, words);
    EXPECT_FALSE(ec) << words;
    return made;
  }

  std::shared_ptr<const transport::tls_context> context(lido::sslmode mode = lido::sslmode::verify_full) const {
    return context_of(config(mode));
  }

  const std::filesystem::path& folder() const { return folder_.path(); }

  certificate_authority authority;

 private:
  temporary_folder folder_;
};

/// Reads and writes as a session does: one receive at a time, accept() and more() until would_block.
class talker {
 public:
  talker(asio::io_context& io, transport::stream s, std::size_t room = 16384)
      : io_(io), stream_(std::move(s)), room_(std::make_shared<std::string>(room, '\0')) {}

  transport::stream& stream() { return stream_; }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = stream_.write_some(bytes);
      ASSERT_FALSE(sent.error) << sent.error.message();
      bytes.remove_prefix(sent.bytes);
      if (!sent.would_block) continue;
      bool writable = false;
      stream_.async_wait_writable([&writable](std::error_code) { writable = true; });
      ASSERT_TRUE(run_until(io_, [&] { return writable; }));
    }
  }

  /// Until `enough` bytes, or an end (then error() says which).
  std::string read(std::size_t enough) {
    while (received_.size() < enough && !error_) {
      start_receive();
      if (!run_until(io_, [&] { return !pending_; })) {
        ADD_FAILURE() << "no more bytes after " << received_.size();
        break;
      }
    }
    std::string bytes = received_.substr(0, enough);
    received_.erase(0, bytes.size());
    return bytes;
  }

  void read_to_end() { received_ += read(std::string::npos); }
  std::error_code error() const { return error_; }
  const std::string& received() const { return received_; }
  /// Accept results so far: how often a receive had to be awaited.
  int receives() const { return receives_; }

  void start_receive() {
    if (pending_) return;
    pending_ = true;
    ++receives_;
    stream_.async_receive(asio::buffer(*room_), [this, room = room_](std::error_code ec, std::size_t n) {
      pending_ = false;
      auto got = stream_.accept(asio::buffer(*room), ec, n);
      for (;;) {
        received_.append(*room, 0, got.bytes);
        error_ = got.error;
        if (got.would_block || got.error) return;
        got = stream_.more(asio::buffer(*room));
      }
    });
  }

 private:
  asio::io_context& io_;
  transport::stream stream_;
  std::shared_ptr<std::string> room_;
  std::string received_;
  std::error_code error_;
  bool pending_ = false;
  int receives_ = 0;
};

}  // namespace lido::testing
