// A type against the server: what we send it prints as we would, what it prints it reads back to the same value, and
// what it sends is what was sent. Thousands of values in three queries.
#pragma once

#include "tests/integration/pool_fixture.hpp"

#include <lido/driver/connection.hpp>
#include <lido/driver/detail/named_query.hpp>
#include <lido/driver/types/array.hpp>

#include <gtest/gtest.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace lido::testing {

inline constexpr std::size_t random_values = 1000;

class differential : public ::testing::Test {
 protected:
  // Random in magnitude, too: most 64-bit numbers are huge.
  std::int64_t number() { return static_cast<std::int64_t>(rng() >> (rng() % 64)) * (rng() % 2 == 0 ? 1 : -1); }
  // From -limit to limit.
  std::int64_t number(std::int64_t limit) { return number() % (limit + 1); }
  std::string word(std::string_view alphabet, std::size_t least, std::size_t most) {
    std::string out;
    for (std::size_t i = least + rng() % (most - least + 1); i > 0; --i) out += alphabet[rng() % alphabet.size()];
    return out;
  }

  // The edges, and random values behind them.
  template <class T, class Make>
  std::vector<T> with_random(std::vector<T> edges, Make&& make) {
    for (std::size_t i = 0; i < random_values; ++i) edges.push_back(make());
    return edges;
  }

  // `print`: what the server's output function makes of a value. Settings are those that make the output independent
  // of the place: UTC, ISO, the style `postgres`.
  template <class T, class Print>
  void compare(const std::string& type, const std::vector<T>& values, Print&& print) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < values.size(); ++i) texts.push_back(print(static_cast<const T&>(values[i])));
    compare_with<T>(type, values, texts);
  }
  // Where two texts are the same value (floats), or only the server knows the text: `agrees` judges its own.
  template <class T, class Agrees>
  void compare_loosely(const std::string& type, const std::vector<T>& values, Agrees&& agrees) {
    const std::vector<std::string> texts = sent(type, values);
    for (std::size_t i = 0; i < values.size() && i < texts.size(); ++i) {
      EXPECT_TRUE(agrees(static_cast<const T&>(values[i]), texts[i])) << type << ": " << texts[i];
    }
    parsed(type, values, texts);
  }

  static asio::awaitable<connection> open() {
    connection db = co_await connection::async_connect(unix_config(shared_cluster()));
    co_await db.async_simple_query(
        "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set lc_monetary = 'C'; "
        "set extra_float_digits = 1; set bytea_output = 'hex'");
    co_return db;
  }

  std::mt19937_64 rng{26};

 private:
  template <class T>
  void compare_with(const std::string& type, const std::vector<T>& values, const std::vector<std::string>& expected) {
    EXPECT_EQ(sent(type, values), expected) << type;
    parsed(type, values, expected);
  }

  // As an array, and each for itself: decoded, and as the server's text, which is the answer.
  template <class T>
  std::vector<std::string> sent(const std::string& type, const std::vector<T>& values) {
    const std::string from = " from unnest($1::" + type + "[]) with ordinality as u(v, i) order by i";
    const auto rows = ask(lido::detail::make_request("select v, v::text" + from, values));
    EXPECT_EQ(rows.size(), values.size());
    std::vector<std::string> texts;
    for (const row& each : rows) {
      const auto text = each.template get<std::string>(1);
      EXPECT_TRUE(each.template get<T>(0) == values[texts.size()]) << type << " " << text << " is not what was sent";
      texts.push_back(text);
    }
    const auto whole = ask(lido::detail::make_request("select $1::" + type + "[]", values));
    EXPECT_TRUE(whole.one().template get<std::vector<T>>(0) == values) << type << "[] is not what was sent";
    for (std::size_t i = 0; i < values.size() && i < single_values; ++i) {
      const T& value = values[i];
      const auto one = ask(lido::detail::make_request("select $1::" + type, value));
      EXPECT_TRUE(one.one().template get<T>(0) == value) << type << " alone: " << texts[i];
    }
    return texts;
  }

  // The other way round: the server reads the text.
  template <class T>
  void parsed(const std::string& type, const std::vector<T>& values, const std::vector<std::string>& texts) {
    const auto rows = ask(lido::detail::make_request(
        "select t::" + type + " from unnest($1::text[]) with ordinality as u(t, i) order by i", texts));
    EXPECT_EQ(rows.size(), values.size());
    std::size_t at = 0;
    for (const row& each : rows) {
      EXPECT_TRUE(each.template get<T>(0) == values[at]) << type << ": the server reads " << texts[at] << " otherwise";
      ++at;
    }
  }

  // One query, to its end; not a template, so that a hundred types compile in bearable time.
  result<> ask(lido::detail::request statement);

  static constexpr std::size_t single_values = 40;

  asio::io_context io_;
  connection session_;
};

inline std::string padded(std::int64_t number, std::size_t width) {
  std::string digits = std::to_string(number);
  return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
}

// All numbers in a text, in order.
inline std::vector<double> numbers_in(std::string_view text) {
  std::vector<double> out;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    double value = 0;
    const auto [stop, ec] = std::from_chars(at, end, value);
    if (ec != std::errc{}) {
      ++at;
    } else {
      out.push_back(value);
      at = stop;
    }
  }
  return out;
}

}  // namespace lido::testing
