// A password never appears in an error, however a DSN or a file is mangled (reliability C34, S7).
#include "tests/config/config_errors.hpp"

#include <lido/pool/config.hpp>

#include <gtest/gtest.h>

#include <random>

namespace lido::test {
namespace {

// Three pieces, so that a password broken by a mangled character is found, too.
constexpr std::string_view pieces[] = {"kanarie", "vogeltje", "zwijgt"};
const std::string canary = "kanarievogeltjezwijgt";

template <class F>
void expect_silent(const std::string& input, F&& read) {
  const auto refused = refusal_of(read);
  for (const std::string_view piece : pieces) {
    EXPECT_EQ(refused.text.find(piece), std::string::npos) << "input: " << input << "\nerror: " << refused.text;
  }
}

void expect_silent_dsn(const std::string& dsn) {
  expect_silent(dsn, [&] { connect_config::parse(dsn); });
  expect_silent(dsn, [&] { pool_config::from_dsn(dsn).validate(); });
}

std::string mangled(std::string text, std::mt19937_64& rng) {
  static constexpr std::string_view characters = "@/?&=:%#' \\[],;\n\0\"";
  for (std::size_t i = 1 + rng() % 4; i > 0; --i) {
    const std::size_t at = rng() % (text.size() + 1);
    const char c = characters[rng() % characters.size()];
    if (rng() % 3 == 0 && at < text.size()) {
      text.erase(at, 1);
    } else {
      text.insert(at, 1, c);
    }
  }
  return text;
}

// Between the pieces, so that each is seen whole.
std::string with_special(char c) { return "kanarie" + std::string(1, c) + "vogeltje" + std::string(1, c) + "zwijgt"; }

TEST(secrets_in_errors, C34_special_characters_in_the_password) {
  for (int i = 0; i < 128; ++i) {
    const std::string password = with_special(static_cast<char>(i));
    for (const std::string& rest :
         {std::string("@db/x"), std::string("@db:port/x"), std::string("@db/x?sslmod=1"), std::string("@db/x?q")}) {
      expect_silent_dsn("postgresql://app:" + password + rest);
    }
    expect_silent_dsn("postgresql://db/x?user=app&password=" + password + "&sslmode=never");
    expect_silent_dsn("postgresql://db/x?password=" + password + "=1&x=1");
    expect_silent_dsn("host=db password=" + password + " port=x");
    expect_silent_dsn("host=db password='" + password + "' nothing=1");
    expect_silent_dsn("password = " + password + " = 1");
  }
}

TEST(secrets_in_errors, C34_the_password_in_every_other_knob) {
  for (const std::string key :
       {"host", "port", "sslmode", "require_auth", "connect_timeout", "close_timeout", "max_message_bytes",
        "statement_cache_size", "allow_unverified_tls", "client_encoding", "sslkey", "pool_max_size",
        "pool_acquire_timeout", "pool_reset_mode", "pool_name", "pool_cancel.after", "hostaddr", "service"}) {
    expect_silent_dsn(key + "=" + canary);
    expect_silent_dsn("postgresql://db?" + key + "=" + canary);
  }
}

TEST(secrets_in_errors, C34_mangled_dsns) {
  std::mt19937_64 rng(34);
  const std::string originals[] = {
      "postgresql://app:" + canary + "@db.example:6543/app?sslmode=verify-full&connect_timeout=5",
      "postgresql://db.example/app?user=app&password=" + canary + "&sslmode=disable",
      "host=db.example user=app password=" + canary + " dbname=app sslmode=disable",
      "host=db.example password='" + canary + "' user=app connect_timeout=5"};
  for (const std::string& original : originals) {
    for (int i = 0; i < 2000; ++i) expect_silent_dsn(mangled(original, rng));
  }
}

TEST(secrets_in_errors, C34_mangled_files) {
  std::mt19937_64 rng(35);
  const std::string original = "[pool.default]\nhost = \"db\"\npassword = \"" + canary +
                               "\"\ndsn = \"postgresql://app:" + canary +
                               "@db/app\"\nmax_size = 20\ncancel.timeout = \"3s\"\n";
  for (int i = 0; i < 2000; ++i) {
    const std::string text = mangled(original, rng);
    expect_silent(text, [&] { pool_config::parse_toml(text, "lido.toml"); });
  }
}

}  // namespace
}  // namespace lido::test
