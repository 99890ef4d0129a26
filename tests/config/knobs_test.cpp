// The tables that document the knobs tell the truth.
#include "pool/config/pool_knobs.hpp"
#include "tests/config/config_errors.hpp"

#include <gtest/gtest.h>

#include <set>

namespace lido::test {
namespace {

using namespace std::chrono_literals;

std::string fingerprint(const connect_config& c) {
  std::string out = c.host + "|" + std::to_string(c.port) + "|" + c.user + "|" + c.database + "|" +
                    std::string(c.password.reveal()) + "|" + c.application_name + "|" + c.options + "|" +
                    std::to_string(static_cast<int>(c.sslmode)) + "|" + c.sslrootcert + "|" + c.sslcert + "|" +
                    c.sslkey + "|" + std::to_string(c.allow_unverified_tls) + "|" +
                    std::to_string(c.require_auth.size());
  for (const auto n : {std::size_t{c.scram_max_iterations}, static_cast<std::size_t>(c.connect_timeout.count()),
                       static_cast<std::size_t>(c.close_timeout.count()), c.max_message_bytes, c.max_result_bytes,
                       c.statement_cache_size, c.statement_cache_bytes}) {
    out += "|" + std::to_string(n);
  }
  return out;
}

std::string fingerprint(const pool_config& c) {
  std::string out = c.name + "|" + std::to_string(c.max_lifetime_jitter) + "|" + std::to_string(c.cancel.rate) + "|" +
                    std::to_string(static_cast<int>(c.reset.mode)) + "|" +
                    std::to_string(static_cast<int>(c.cancel.after));
  for (const auto n :
       {c.max_size, c.min_size, c.max_waiters, c.connect_concurrency, c.cancel.concurrency, c.drain.max_bytes}) {
    out += "|" + std::to_string(n);
  }
  for (const auto t : {c.acquire_timeout, c.max_lifetime, c.idle_timeout, c.validate_after_idle, c.validation_timeout,
                       c.connect_backoff_min, c.connect_backoff_max, c.reset.timeout, c.cancel.timeout,
                       c.cancel.retry_after, c.drain.timeout}) {
    out += "|" + std::to_string(t.count());
  }
  return out;
}

// What a row writes it reads back, and nothing else moves.
template <class Config>
void expect_round_trips(std::span<const detail::knob<Config>> table) {
  const std::string untouched = fingerprint(Config{});
  for (const auto& k : table) {
    Config c;
    EXPECT_TRUE(k.standard().empty() || k.set(c, k.standard())) << k.name;
    EXPECT_EQ(fingerprint(c), untouched) << k.name << ": the default as text is not the default";
    EXPECT_TRUE(k.in_bounds(c)) << k.name << ": the default is out of its own bounds";
    if (k.example.empty()) continue;
    EXPECT_TRUE(k.set(c, k.example)) << k.name << ": the example is not what it expects";
    EXPECT_TRUE(k.in_bounds(c)) << k.name;
  }
}

template <class Config>
void expect_documented_once(std::span<const detail::knob<Config>> table, std::set<std::string_view>& seen) {
  for (const auto& k : table) {
    EXPECT_TRUE(seen.insert(k.name).second) << k.name << " is there twice";
    EXPECT_FALSE(k.doc.empty()) << k.name;
    EXPECT_FALSE(k.expects.empty()) << k.name;
    EXPECT_TRUE(k.secret || !k.standard().empty() || !k.example.empty()) << k.name << " has no example";
    EXPECT_EQ(k.number == nullptr, k.kind != detail::knob_kind::count && k.kind != detail::knob_kind::bytes &&
                                       k.kind != detail::knob_kind::ratio && k.kind != detail::knob_kind::duration)
        << k.name;
  }
}

TEST(knobs, defaults_and_examples_read_back) {
  expect_round_trips(detail::connect_knobs());
  expect_round_trips(detail::pool_knobs());
}

TEST(knobs, names_are_unique_over_both_tables) {
  std::set<std::string_view> seen;
  expect_documented_once(detail::connect_knobs(), seen);
  expect_documented_once(detail::pool_knobs(), seen);
}

TEST(knobs, texts_of_values_are_short_and_read_back) {
  EXPECT_EQ(detail::text_of_duration(500ms), "500ms");
  EXPECT_EQ(detail::text_of_duration(30min), "30m");
  EXPECT_EQ(detail::text_of_duration(90min), "1h30m");
  EXPECT_EQ(detail::text_of_duration(0s), "0");
  EXPECT_EQ(detail::text_of_bytes(16U << 20), "16MiB");
  EXPECT_EQ(detail::text_of_bytes(1000), "1000");
  EXPECT_EQ(detail::text_of_bytes(0), "0");
  EXPECT_EQ(detail::text_of_ratio(0.1), "0.1");
}

TEST(knobs, durations_have_units) {
  std::chrono::nanoseconds t{};
  EXPECT_TRUE(detail::duration_from_text("500ms", t));
  EXPECT_EQ(t, 500ms);
  EXPECT_TRUE(detail::duration_from_text("1h30m", t));
  EXPECT_EQ(t, 90min);
  EXPECT_TRUE(detail::duration_from_text("1.5s", t));
  EXPECT_EQ(t, 1500ms);
  EXPECT_TRUE(detail::duration_from_text("0", t));
  EXPECT_EQ(t, 0s);
  for (const std::string_view bad : {"", "5", "-5s", "inf", "-inf", "5 s", "s", "5x", "9000h99999999999999h", "1e3s"}) {
    EXPECT_FALSE(detail::duration_from_text(bad, t)) << bad;
  }
  EXPECT_TRUE(detail::seconds_or_duration_from_text("5", t));
  EXPECT_EQ(t, 5s);
}

TEST(knobs, sizes_are_binary) {
  std::size_t n = 0;
  EXPECT_TRUE(detail::bytes_from_text("16MiB", n));
  EXPECT_EQ(n, std::size_t{16} << 20);
  EXPECT_TRUE(detail::bytes_from_text("3KiB", n));
  EXPECT_EQ(n, 3072U);
  EXPECT_TRUE(detail::bytes_from_text("10B", n));
  EXPECT_EQ(n, 10U);
  EXPECT_TRUE(detail::bytes_from_text("7", n));
  EXPECT_EQ(n, 7U);
  for (const std::string_view bad : {"", "MiB", "1MB", "1.5MiB", "-1", "1 MiB", "17179869184GiB"}) {
    EXPECT_FALSE(detail::bytes_from_text(bad, n)) << bad;
  }
}

TEST(knobs, the_nearest_name_is_two_edits_away_at_most) {
  static constexpr std::string_view names[] = {"max_size", "min_size", "user"};
  EXPECT_EQ(detail::nearest_name("max_sise", names), "max_size");
  EXPECT_EQ(detail::nearest_name("maxsize", names), "max_size");
  EXPECT_EQ(detail::nearest_name("mx_siz", names), "max_size");
  EXPECT_EQ(detail::nearest_name("usr", names), "user");
  EXPECT_EQ(detail::nearest_name("port", names), "");
  EXPECT_EQ(detail::nearest_name(std::string(10'000, 'x'), names), "");
}

}  // namespace
}  // namespace lido::test
