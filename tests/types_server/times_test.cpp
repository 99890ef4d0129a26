#include "tests/types_server/differential.hpp"

#include <lido/driver/timestamp.hpp>
#include <lido/driver/types/time.hpp>

#include <limits>
#include <tuple>

namespace lido::testing {
namespace {

using std::chrono::microseconds;
using sys_micros = std::chrono::sys_time<microseconds>;
using local_micros = std::chrono::local_time<microseconds>;

std::string fraction(std::int64_t micros) {
  if (micros == 0) return "";
  std::string digits = padded(micros, 6);
  digits.erase(digits.find_last_not_of('0') + 1);
  return "." + digits;
}

std::string clock(std::int64_t micros) {
  const std::int64_t seconds = micros / 1'000'000;
  return padded(seconds / 3600, 2) + ":" + padded(seconds / 60 % 60, 2) + ":" + padded(seconds % 60, 2) +
         fraction(micros % 1'000'000);
}

// Years of the proleptic Gregorian calendar, any number of them: std::chrono's end at 32767.
struct civil {
  std::int64_t year;
  unsigned month;
  unsigned day;
};
civil civil_of(std::int64_t days_since_1970) {
  constexpr std::int64_t days_per_era = 146'097;  // 400 years
  std::int64_t era = days_since_1970 / days_per_era;
  if (days_since_1970 % days_per_era < 0) --era;
  const std::chrono::year_month_day within{
      std::chrono::sys_days(std::chrono::days(days_since_1970 - era * days_per_era))};
  return {static_cast<int>(within.year()) + era * 400, static_cast<unsigned>(within.month()),
          static_cast<unsigned>(within.day())};
}

std::string day_text(std::int64_t days_since_1970, std::string_view behind = "") {
  const civil day = civil_of(days_since_1970);
  const std::int64_t year = day.year > 0 ? day.year : 1 - day.year;
  return padded(year, 4) + "-" + padded(day.month, 2) + "-" + padded(day.day, 2) + std::string(behind) +
         (day.year > 0 ? "" : " BC");
}

std::string moment_text(std::int64_t micros_since_1970, const std::string& zone) {
  constexpr std::int64_t day = 86'400'000'000;
  std::int64_t days = micros_since_1970 / day;
  std::int64_t rest = micros_since_1970 % day;
  if (rest < 0) {
    rest += day;
    --days;
  }
  return day_text(days, " " + clock(rest) + zone);
}

TEST_F(differential, dates) {
  const auto print = [](lido::date d) {
    if (!d.finite()) return std::string(d == lido::date::infinity() ? "infinity" : "-infinity");
    return day_text(d.value().time_since_epoch().count());
  };
  const auto day = [](std::int64_t count) { return lido::date(std::chrono::sys_days(std::chrono::days(count))); };
  // 4713-11-24 BC and 5874897-12-31, the first and the last one there are.
  const std::vector<lido::date> edges{
      lido::date::infinity(), lido::date::minus_infinity(), day(0), day(10'957), day(-2'440'588), day(2'145'031'948)};
  compare("date", with_random(edges, [&] { return day(number(2'440'588)); }), print);
}

TEST_F(differential, a_moment_that_would_become_an_infinity_is_refused) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    const auto there = co_await db.async_query("select '294247-01-10 04:00:54.775807+00'::timestamptz");
    EXPECT_THROW(std::ignore = there.one().get<lido::timestamptz>(0), error);
    const auto local = co_await db.async_query("select '294247-01-10 04:00:54.775807'::timestamp");
    EXPECT_THROW(std::ignore = local.one().get<lido::timestamp>(0), error);
    const auto ec = co_await error_of(db.async_query<lido::timestamptz>("select 'infinity'::timestamptz"));
    EXPECT_FALSE(ec) << ec.message();
  });
}

TEST_F(differential, timestamps) {
  const auto micros = [&] { return microseconds(number(200'000'000'000'000'000)); };
  const auto print = [](const auto& t, const std::string& zone) {
    using type = std::remove_cvref_t<decltype(t)>;
    if (!t.finite()) return std::string(t == type::infinity() ? "infinity" : "-infinity");
    return moment_text(t.value().time_since_epoch().count(), zone);
  };
  // 4713-11-24 BC 00:00, and 294247-01-10 04:00:54.775806: std::chrono's end.
  constexpr microseconds first(-210'866'803'200'000'000);
  constexpr microseconds last(9'223'372'036'854'775'806);
  const auto random = [&](auto make) { return make(std::max(micros(), first)); };
  using local = lido::timestamp;
  const auto as_local = [](microseconds m) { return local(local_micros(m)); };
  compare("timestamp",
          with_random<local>(
              {local::infinity(), local::minus_infinity(), as_local(first), as_local(last), as_local(microseconds(-1))},
              [&] { return random(as_local); }),
          [&](const local& t) { return print(t, ""); });
  using global = lido::timestamptz;
  const auto as_global = [](microseconds m) { return global(sys_micros(m)); };
  compare("timestamptz",
          with_random<global>({global::infinity(), global::minus_infinity(), as_global(first), as_global(last),
                               as_global(microseconds(-1))},
                              [&] { return random(as_global); }),
          [&](const global& t) { return print(t, "+00"); });
}

TEST_F(differential, times_of_day) {
  constexpr std::int64_t day = 86'400'000'000;
  const auto time = [&] { return microseconds(static_cast<std::int64_t>(rng() % (day + 1))); };
  compare("time",
          with_random<time_of_day>({{microseconds(0)}, {microseconds(day)}, {microseconds(1)}},
                                   [&] { return time_of_day{time()}; }),
          [](time_of_day t) { return clock(t.since_midnight.count()); });
  const auto zoned = [](const time_of_day_tz& t) {
    const std::int64_t offset = t.utc_offset.count();
    const std::int64_t size = offset < 0 ? -offset : offset;
    std::string text = clock(t.since_midnight.count()) + (offset < 0 ? "-" : "+") + padded(size / 3600, 2);
    if (size % 3600 != 0) text += ":" + padded(size / 60 % 60, 2);
    if (size % 60 != 0) text += ":" + padded(size % 60, 2);
    return text;
  };
  constexpr std::int64_t most = 15 * 3600 + 59 * 60 + 59;
  compare("timetz",
          with_random<time_of_day_tz>(
              {{microseconds(0), std::chrono::seconds(most)}, {microseconds(day), std::chrono::seconds(-most)}},
              [&] { return time_of_day_tz{time(), std::chrono::seconds(number(most))}; }),
          zoned);
}

// As the server's style `postgres`: what follows a negative field has its sign.
std::string interval_text(const interval& i) {
  if (i == interval::infinity()) return "infinity";
  if (i == interval::minus_infinity()) return "-infinity";
  std::string out;
  bool before = false;
  const auto field = [&](std::int64_t value, std::string_view unit) {
    if (value == 0) return;
    out += std::string(out.empty() ? "" : " ") + (before && value > 0 ? "+" : "") + std::to_string(value) + " " +
           std::string(unit) + (value == 1 ? "" : "s");
    before = value < 0;
  };
  field(i.months / 12, "year");
  field(i.months % 12, "mon");
  field(i.days, "day");
  const std::int64_t time = i.time.count();
  if (time != 0 || out.empty())
    out += std::string(out.empty() ? "" : " ") + (time < 0 ? "-" : before ? "+" : "") + clock(time < 0 ? -time : time);
  return out;
}

TEST_F(differential, intervals) {
  std::vector<interval> edges{{},
                              {1, 1, microseconds(1)},
                              {-1, 1, microseconds(-1)},
                              {13, -2, microseconds(3'600'000'000)},
                              {0, 0, microseconds(std::numeric_limits<std::int64_t>::max())}};
  if (shared_cluster().version() >= 17) {
    edges.push_back(interval::infinity());
    edges.push_back(interval::minus_infinity());
  }
  compare("interval",
          with_random(edges,
                      [&] {
                        interval out;
                        out.months = static_cast<std::int32_t>(number(1'000'000));
                        out.days = static_cast<std::int32_t>(number(1'000'000'000));
                        out.time = microseconds(number(1'000'000'000'000'000));
                        return out;
                      }),
          interval_text);
}

TEST_F(differential, durations_are_intervals_without_months) {
  run([](asio::io_context&) -> asio::awaitable<void> {
    connection db = co_await open();
    using namespace std::chrono_literals;
    EXPECT_EQ((co_await db.async_query<std::string>("select $1::interval::text", 90min)).one(), "01:30:00");
    EXPECT_EQ((co_await db.async_query<std::string>("select $1::interval::text", -1500ns)).one(), "-00:00:00.000002")
        << "rounded down";
    EXPECT_EQ((co_await db.async_query<microseconds>("select interval '2 days 00:00:01'")).one(), 48h + 1s);
    std::error_code code;
    try {
      (void)(co_await db.async_query<microseconds>("select interval '1 month'")).one();
    } catch (const error& e) {
      code = e.code();
    }
    EXPECT_EQ(code, errc::value_out_of_range);
    const std::chrono::hh_mm_ss<microseconds> noon(12h + 1us);
    EXPECT_EQ((co_await db.async_query<std::string>("select $1::text", noon)).one(), "12:00:00.000001");
    EXPECT_EQ((co_await db.async_query<std::chrono::hh_mm_ss<microseconds>>("select time '12:00:00.000001'"))
                  .one()
                  .to_duration(),
              noon.to_duration());
  });
}

}  // namespace
}  // namespace lido::testing
