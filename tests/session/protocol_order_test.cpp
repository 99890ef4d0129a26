// What may follow what: after each prefix of a segment, the types that are owed, and no other.
#include "tests/session/protocol_script.hpp"

#include <lido/driver/error.hpp>

#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <string_view>
#include <utility>

namespace lido::session {
namespace {

using test::begin;
using test::feed;
using test::feed_body;
using test::feed_one;

struct order_case {
  std::string_view segment;
  unsigned closes;
  std::string_view prefix;
  std::string_view owed;  // what may come next, apart from N, A, S and a fatal error, which may at any moment
};

constexpr order_case cases_of_order[] = {
    {"simple", 0, "", "TCIEGH"},
    {"simple", 0, "T", "DCE"},
    {"simple", 0, "TD", "DCE"},
    {"simple", 0, "TDC", "TCIEGHZ"},
    {"simple", 0, "C", "TCIEGHZ"},
    {"simple", 0, "I", "TCIEGHZ"},
    {"simple", 0, "TDCTDC", "TCIEGHZ"},
    {"simple", 0, "E", "Z"},
    {"simple", 0, "TDE", "Z"},
    {"simple", 0, "TDCE", "Z"},
    {"simple", 0, "G", "E"},
    {"simple", 0, "GE", "Z"},
    {"simple", 0, "H", "dcE"},
    {"simple", 0, "Hd", "dcE"},
    {"simple", 0, "HdE", "Z"},
    {"simple", 0, "Hddc", "CE"},
    {"simple", 0, "HddcC", "TCIEGHZ"},
    {"simple", 1, "", "3E"},
    {"simple", 1, "3", "TCIEGH"},
    {"prepare", 0, "", "1E"},
    {"prepare", 0, "1", "tE"},
    {"prepare", 0, "1t", "TnE"},
    {"prepare", 0, "1tT", "2E"},
    {"prepare", 0, "1tn", "2E"},
    {"prepare", 0, "1tT2", "DCIEGH"},
    {"prepare", 0, "1tn2", "CIEGH"},
    {"prepare", 0, "1tT2D", "DCE"},
    {"prepare", 0, "1tT2DC", "ZE"},
    {"prepare", 0, "1tn2C", "ZE"},
    {"prepare", 0, "1tn2I", "ZE"},
    {"prepare", 0, "1tT2DCE", "Z"},
    {"prepare", 0, "E", "Z"},
    {"prepare", 0, "1E", "Z"},
    {"prepare", 0, "1tE", "Z"},
    {"prepare", 0, "1tTE", "Z"},
    {"prepare", 0, "1tT2E", "Z"},
    {"prepare", 0, "1tT2DE", "Z"},
    {"prepare", 0, "1tn2G", "E"},
    {"prepare", 0, "1tn2GE", "Z"},
    {"prepare", 0, "1tn2H", "dcE"},
    {"prepare", 0, "1tn2Hdc", "CE"},
    {"prepare", 0, "1tn2HdcC", "ZE"},
    {"prepare", 2, "", "3E"},
    {"prepare", 2, "3", "3E"},
    {"prepare", 2, "33", "1E"},
    {"prepare", 2, "3E", "Z"},
    {"run", 0, "", "2E"},
    {"run", 0, "2", "DCIEGH"},
    {"run", 0, "2D", "DCE"},
    {"run", 0, "2DC", "ZE"},
    {"run", 1, "", "3E"},
    {"run", 1, "3", "2E"},
    {"run without rows", 0, "2", "CIEGH"},
    {"run without rows", 0, "2C", "ZE"},
    {"sync", 0, "", "ZE"},
    {"sync", 0, "E", "Z"},
    {"sync", 1, "", "3E"},
    {"sync", 1, "3", "ZE"},
};

protocol standing_at(const order_case& at) {
  protocol p;
  begin(p, at.segment);
  p.expect_close_complete(at.closes);
  for (const event_kind event : feed(p, at.prefix))
    EXPECT_NE(event, event_kind::violation) << at.segment << ' ' << at.prefix;
  return p;
}

TEST(protocol_order, B62_B74_B82_B86_only_what_is_owed_may_come) {
  for (const order_case& each : cases_of_order) {
    for (int code = 0; code < 256; ++code) {
      const char type = static_cast<char>(code);
      if (std::string_view{"NAS"}.find(type) != std::string_view::npos) continue;
      protocol p = standing_at(each);
      const bool legal = each.owed.find(type) != std::string_view::npos;
      const event_kind event = type == 'F' ? feed_body(p, 'F', {}) : feed_one(p, type);
      EXPECT_EQ(event != event_kind::violation, legal)
          << each.segment << " after '" << each.prefix << "': " << type << ' ' << code;
      EXPECT_EQ(p.error() == errc::protocol_error, !legal);
    }
  }
}

TEST(protocol_order, notices_notifications_and_parameters_come_at_any_moment) {
  for (const order_case& each : cases_of_order) {
    protocol p = standing_at(each);
    EXPECT_EQ(feed_one(p, 'N'), event_kind::notice);
    EXPECT_EQ(feed_one(p, 'A'), event_kind::notification);
    EXPECT_EQ(feed_one(p, 'S'), event_kind::parameter);
    EXPECT_NE(feed_one(p, each.owed[0]), event_kind::violation) << each.segment << ' ' << each.prefix;
  }
}

TEST(protocol_order, B87_a_fatal_error_comes_at_any_moment_and_ends_everything) {
  for (const order_case& each : cases_of_order) {
    protocol p = standing_at(each);
    EXPECT_EQ(feed_one(p, 'F'), event_kind::fatal) << each.segment << ' ' << each.prefix;
    EXPECT_EQ(p.outstanding(), 1U);
    for (const event_kind event : feed(p, "DZTCE!F")) EXPECT_EQ(event, event_kind::none);
    EXPECT_EQ(p.outstanding(), 1U) << "a dead connection is never quiet";
  }
}

TEST(protocol_order, B93_an_idle_connection_is_owed_nothing) {
  for (int code = 0; code < 256; ++code) {
    const char type = static_cast<char>(code);
    if (std::string_view{"NASF"}.find(type) != std::string_view::npos) continue;
    protocol p;
    EXPECT_EQ(feed_one(p, type), event_kind::violation) << type;
    protocol used;
    begin(used, "run");
    feed(used, "2DCZ");
    EXPECT_EQ(feed_one(used, type), event_kind::violation) << type;
  }
}

TEST(protocol_order, B72_B73_each_ready_for_query_needs_its_segment) {
  for (const std::string_view segment : {"simple", "prepare", "run"}) {
    protocol p;
    begin(p, segment);
    EXPECT_EQ(feed_one(p, 'Z'), event_kind::violation) << segment;
    EXPECT_EQ(p.outstanding(), 1U);
  }
  protocol p;
  begin(p, "sync");
  EXPECT_EQ(feed_one(p, 'Z'), event_kind::ready);
  EXPECT_EQ(p.outstanding(), 0U);
  EXPECT_EQ(feed_one(p, 'Z'), event_kind::violation);
  EXPECT_EQ(p.outstanding(), 0U);
}

TEST(protocol_order, nothing_is_believed_after_a_violation) {
  protocol p;
  begin(p, "run");
  EXPECT_EQ(feed_one(p, 'D'), event_kind::violation);
  for (const event_kind event : feed(p, "2DCZNASF")) EXPECT_EQ(event, event_kind::violation);
  EXPECT_EQ(p.outstanding(), 1U);
}

TEST(protocol_order, empty_messages_have_no_body) {
  const std::pair<std::string_view, std::string_view> cases[] = {{"prepare", ""}, {"prepare", "1t"}, {"prepare", "1tT"},
                                                                 {"run", "2"},    {"simple", "H"},   {"simple", ""}};
  const char types[] = {'1', 'n', '2', 'I', 'c', 'I'};
  for (std::size_t i = 0; i < std::size(cases); ++i) {
    protocol p;
    begin(p, cases[i].first);
    feed(p, cases[i].second);
    EXPECT_EQ(feed_body(p, types[i], "x"), event_kind::violation) << types[i];
  }
}

}  // namespace
}  // namespace lido::session
