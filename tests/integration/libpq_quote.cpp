// Quoting beside libpq's PQescapeIdentifier and PQescapeLiteral, on a real session in UTF-8, and what the server makes
// of it.
#include "tests/integration/pool_fixture.hpp"

#include <lido/driver/connection.hpp>
#include <lido/driver/quote.hpp>

#include <gtest/gtest.h>

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace {

using lido::testing::run;
using lido::testing::shared_cluster;
using lido::testing::unix_config;

std::optional<std::string> taken(char* text) {
  if (text == nullptr) return std::nullopt;
  std::string out = text;
  PQfreemem(text);
  return out;
}
template <class Quote>
std::optional<std::string> ours(Quote quote, std::string_view text) {
  std::error_code ec;
  std::string out = quote(text, ec);
  if (ec) return std::nullopt;
  return out;
}

// Bytes that matter, bytes that nearly are characters, and whole characters.
std::string random_text(std::mt19937& random) {
  static constexpr std::string_view pieces[] = {"'",
                                                "\"",
                                                "\\",
                                                "a",
                                                " ",
                                                "$$",
                                                ";--",
                                                "\xc3\xa4",
                                                "\xe4\xb8\xad",
                                                "\xf0\x9f\x90\x98",
                                                "\xc3",
                                                "\xe4\xb8",
                                                "\xf0\x9f",
                                                "\x80",
                                                "\xbf",
                                                "\xc0",
                                                "\xed\xa0\x80",
                                                "\xf5",
                                                "\xff",
                                                "\n",
                                                "E'"};
  std::string out;
  for (auto n = random() % 8; n > 0; --n) {
    // broken ones are rare, so that many texts are whole
    out += random() % 6 == 0 ? pieces[random() % std::size(pieces)] : pieces[random() % 10];
  }
  return out;
}

class libpq_quote : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto& server = shared_cluster();
    const std::string dsn = "host=" + server.socket_dir().string() + " port=" + std::to_string(server.port()) +
                            " user=" + server.user() + " dbname=" + server.database() + " client_encoding=UTF8";
    session.reset(PQconnectdb(dsn.c_str()));
    ASSERT_EQ(PQstatus(session.get()), CONNECTION_OK) << PQerrorMessage(session.get());
  }
  void expect_same(const std::string& text) {
    const auto identifier = taken(PQescapeIdentifier(session.get(), text.data(), text.size()));
    const auto literal = taken(PQescapeLiteral(session.get(), text.data(), text.size()));
    EXPECT_EQ(ours([](auto t, auto& ec) { return lido::quote_identifier(t, ec); }, text), identifier) << text;
    EXPECT_EQ(ours([](auto t, auto& ec) { return lido::quote_literal(t, ec); }, text), literal) << text;
    (literal ? whole : broken) += 1;
  }

  std::unique_ptr<PGconn, void (*)(PGconn*)> session{nullptr, PQfinish};
  int whole = 0;
  int broken = 0;
};

TEST_F(libpq_quote, C6_says_what_libpq_says_of_every_pair_of_bytes_and_of_random_texts) {
  for (unsigned first = 1; first <= 0xff; ++first) {
    for (unsigned second = 1; second <= 0xff; ++second)
      expect_same({static_cast<char>(first), static_cast<char>(second)});
  }
  std::mt19937 random{6};
  for (int i = 0; i < 20'000; ++i) expect_same(random_text(random));
  EXPECT_GT(whole, 10'000);
  EXPECT_GT(broken, 10'000);
}

asio::awaitable<void> read_back(std::string text, const char* conforming) {
  lido::connection db = co_await lido::connection::async_connect(unix_config(shared_cluster()));
  co_await db.async_simple_query(std::string("set standard_conforming_strings = ") + conforming);
  const std::string column = "x" + text.substr(0, 40);
  const auto said =
      co_await db.async_simple_query("select" + lido::quote_literal(text) + " as " + lido::quote_identifier(column));
  EXPECT_EQ(said.at(0)[0].get<std::string>(0), text);
  EXPECT_EQ(said.at(0).columns()[0].name, column);
  co_await db.async_close();
}

TEST_F(libpq_quote, C6_the_server_reads_what_was_meant_with_conforming_strings_and_without) {
  for (const char* const conforming : {"on", "off"}) {
    for (const char* const text : {"plain", "it's", "\\", "\\'; drop table t; --", "a\"b",
                                   "gr\xc3\xb6\xc3\x9f"
                                   "e",
                                   "'", "\n\t"}) {
      run([&](asio::io_context&) { return read_back(text, conforming); });
    }
  }
}

}  // namespace
