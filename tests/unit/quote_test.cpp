// Quoting without a server; beside libpq, on one: tests/integration/libpq_quote.cpp.
#include <lido/driver/error.hpp>
#include <lido/driver/quote.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace lido {
namespace {

using namespace std::string_literals;

bool is_refused(std::string_view text) {
  std::error_code identifier;
  std::error_code literal;
  const bool nothing = quote_identifier(text, identifier).empty() && quote_literal(text, literal).empty();
  EXPECT_EQ(identifier, literal);
  EXPECT_EQ(nothing, static_cast<bool>(identifier));
  if (identifier) {
    EXPECT_EQ(identifier, errc::not_encodable);
  }
  if (identifier) {
    EXPECT_THROW(static_cast<void>(quote_identifier(text)), error);
  }
  if (identifier) {
    EXPECT_THROW(static_cast<void>(quote_literal(text)), error);
  }
  return static_cast<bool>(identifier);
}

TEST(quote, C6_quotes_and_backslashes_are_doubled) {
  EXPECT_EQ(quote_identifier("name"), R"("name")");
  EXPECT_EQ(quote_identifier(""), R"("")");
  EXPECT_EQ(quote_identifier(R"(a"b"")"), R"("a""b""""")");
  EXPECT_EQ(quote_identifier(R"(a'\b)"), R"("a'\b")");
  EXPECT_EQ(quote_literal("text"), "'text'");
  EXPECT_EQ(quote_literal(""), "''");
  EXPECT_EQ(quote_literal("a'b''"), "'a''b'''''");
  EXPECT_EQ(quote_literal(R"(a\'b"\)"), R"( E'a\\''b"\\')") << "a blank in front: it must not become part of a word";
  EXPECT_EQ(quote_literal("größe \xf0\x9f\x90\x98"), "'größe \xf0\x9f\x90\x98'");
}

TEST(quote, C6_the_length_is_honoured_and_nul_refused) {
  EXPECT_EQ(quote_literal(std::string_view("ab'c", 2)), "'ab'");
  EXPECT_EQ(quote_identifier(std::string_view("ab\"c", 2)), "\"ab\"");
  EXPECT_TRUE(is_refused("\0"s));
  EXPECT_TRUE(is_refused("a\0b"s));
  EXPECT_TRUE(is_refused("a\0"s));
  // a character that the length cuts: what is behind the view is not read
  EXPECT_TRUE(is_refused(std::string_view("a\xc3\xa4", 2)));
  EXPECT_TRUE(is_refused(std::string_view("\xf0\x9f\x90\x98", 3)));
}

// Each byte that begins no character, and each that continues none, next to what it might swallow.
TEST(quote, C6_every_invalid_lead_and_continuation_byte_is_refused_beside_a_quote_and_a_backslash) {
  for (const char beside : {'\'', '\\', '"', 'x'}) {
    for (unsigned lead = 0x80; lead <= 0xff; ++lead) {
      const std::string broken = std::string(1, static_cast<char>(lead)) + beside;
      EXPECT_TRUE(is_refused(broken)) << lead;
      EXPECT_TRUE(is_refused(beside + broken)) << lead;
      EXPECT_TRUE(is_refused(std::string(1, beside) + static_cast<char>(lead))) << lead << " at the end";
      if (lead < 0xc2 || lead > 0xf4) {  // whatever follows
        EXPECT_TRUE(is_refused(std::string(1, static_cast<char>(lead)) + "\x80\x80\x80" + beside)) << lead;
      }
    }
    for (unsigned second = 0; second <= 0xff; ++second) {
      if (second >= 0x80 && second <= 0xbf) continue;
      const std::string bad(1, static_cast<char>(second));
      EXPECT_TRUE(is_refused("\xc3" + bad + beside)) << second;
      EXPECT_TRUE(is_refused("\xe4\xb8" + bad + beside)) << second;
      EXPECT_TRUE(is_refused("\xf0\x9f\x90" + bad + beside)) << second;
    }
  }
}

TEST(quote, C6_overlong_forms_surrogates_and_numbers_beyond_unicode_are_refused) {
  for (const char* const bad :
       {"\xc0\xa7", "\xc1\x9c", "\xe0\x80\xa7", "\xe0\x9f\xbf", "\xf0\x80\x80\xa7", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_TRUE(is_refused(bad)) << bad;
  }
  for (const char* const good : {"\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                                 "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\x01", "\x7f"}) {
    EXPECT_FALSE(is_refused(good)) << good;
  }
}

TEST(quote, C6_the_error_has_nothing_of_the_text) {
  try {
    static_cast<void>(quote_literal("canary\xff"));
    FAIL();
  } catch (const error& said) {
    EXPECT_EQ(std::string_view(said.what()).find("canary"), std::string_view::npos);
  }
}

}  // namespace
}  // namespace lido
