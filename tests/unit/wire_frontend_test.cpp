// Frontend messages, compared with bytes written out by hand from the protocol's documentation.
#include "driver/wire/frontend.hpp"
#include "driver/wire/limits.hpp"
#include "tests/unit/wire_bytes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace lido::wire {
namespace {

using namespace std::string_literals;
using test::bytes;
using test::message;

template <typename Append>
std::string written(Append append) {
  std::string out = "before";
  append(out);
  EXPECT_EQ(out.substr(0, 6), "before");
  return out.substr(6);
}

detail::request two_values(bool first_binary, bool second_binary) {
  detail::request out{"select $1, $2"};
  out.add_type(23, first_binary);
  out.add_type(0, second_binary);
  out.values() = bytes{}.u32(4).u32(7).u32(0xffffffff);
  return out;
}

TEST(wire_frontend, startup_messages_have_no_type) {
  EXPECT_EQ(written(append_ssl_request), "\0\0\0\x08\x04\xd2\x16\x2f"s);
  const std::array<std::pair<std::string_view, std::string_view>, 2> parameters{{{"user", "app"}, {"database", "db"}}};
  EXPECT_EQ(written([&](std::string& out) { append_startup(out, parameters); }),
            "\0\0\0\x1e\0\x03\0\0user\0app\0database\0db\0\0"s);
  EXPECT_EQ(written([](std::string& out) { append_startup(out, {}); }), "\0\0\0\x09\0\x03\0\0\0"s);
}

TEST(wire_frontend, I6_a_cancel_request_carries_keys_of_any_legal_length) {
  EXPECT_EQ(written([](std::string& out) { append_cancel_request(out, 0x01020304, "\x05\x06\x07\x08"); }),
            "\0\0\0\x10\x04\xd2\x16\x2e\x01\x02\x03\x04\x05\x06\x07\x08"s);
  const std::string longest(max_cancel_key, 'k');
  EXPECT_EQ(written([&](std::string& out) { append_cancel_request(out, 1, longest); }),
            std::string{bytes{}.u32(268).u32(80877102).u32(1).raw(longest)});
}

TEST(wire_frontend, authentication_answers) {
  EXPECT_EQ(written([](std::string& out) { append_password(out, "pw"); }), message('p', "pw\0"s));
  EXPECT_EQ(written([](std::string& out) { append_sasl_initial(out, "SCRAM-SHA-256", "n,,n=,r=x"); }),
            message('p', bytes{}.text("SCRAM-SHA-256").u32(9).raw("n,,n=,r=x")));
  EXPECT_EQ(written([](std::string& out) { append_sasl_response(out, "c=biws"); }), message('p', "c=biws"));
}

TEST(wire_frontend, short_messages) {
  EXPECT_EQ(written([](std::string& out) { append_query(out, "select 1"); }), message('Q', "select 1\0"s));
  EXPECT_EQ(written([](std::string& out) { append_describe_statement(out, "s1"); }), message('D', "Ss1\0"s));
  EXPECT_EQ(written(append_describe_portal), message('D', "P\0"s));
  EXPECT_EQ(written(append_execute), message('E', "\0\0\0\0\0"s));
  EXPECT_EQ(written([](std::string& out) { append_close_statement(out, "s1"); }), message('C', "Ss1\0"s));
  EXPECT_EQ(written(append_sync), message('S', ""));
  EXPECT_EQ(written([](std::string& out) { append_copy_fail(out, "no"); }), message('f', "no\0"s));
  EXPECT_EQ(written(append_terminate), message('X', ""));
}

TEST(wire_frontend, parse_carries_text_and_types) {
  EXPECT_EQ(written([](std::string& out) { append_parse(out, "s1", two_values(true, true)); }),
            message('P', bytes{}.text("s1").text("select $1, $2").u16(2).u32(23).u32(0)));
}

TEST(wire_frontend, bind_names_the_formats_as_shortly_as_it_can) {
  const auto bound = [](const detail::request& from) {
    return written([&](std::string& out) { append_bind(out, "s1", from); });
  };
  const std::string values = bytes{}.u16(2).u32(4).u32(7).u32(0xffffffff).u16(1).u16(1);
  EXPECT_EQ(bound(two_values(true, true)), message('B', bytes{}.text("").text("s1").u16(1).u16(1).raw(values)));
  EXPECT_EQ(bound(two_values(false, false)), message('B', bytes{}.text("").text("s1").u16(0).raw(values)));
  EXPECT_EQ(bound(two_values(true, false)), message('B', bytes{}.text("").text("s1").u16(2).u16(1).u16(0).raw(values)));
  EXPECT_EQ(bound(two_values(false, true)), message('B', bytes{}.text("").text("s1").u16(2).u16(0).u16(1).raw(values)));
  EXPECT_EQ(bound(detail::request{"select 1"}), message('B', bytes{}.text("").text("s1").u16(0).u16(0).u16(1).u16(1)));
}

TEST(wire_frontend, a_run_is_bind_execute_and_sync) {
  const auto from = two_values(true, false);
  const auto apart = [&](std::string& out) {
    append_bind(out, "s1", from);
    append_execute(out);
    append_sync(out);
  };
  EXPECT_EQ(written([&](std::string& out) { append_run(out, "s1", from); }), written(apart));
}

TEST(wire_frontend, C14_65535_values_are_counted_right) {
  detail::request many{"select"};
  for (std::size_t i = 0; i < max_parameters; ++i) {
    many.add_type(23, true);
    many.values() += bytes{}.u32(0xffffffff);
  }
  const std::string out = written([&](std::string& to) { append_bind(to, "", many); });
  EXPECT_EQ(out.substr(5, 8), "\0\0\0\x01\0\x01\xff\xff"s);
}

TEST(wire_frontend_death, C14_a_length_that_the_server_would_refuse_is_never_written) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  std::string out;
  const std::string_view too_long{"", max_outgoing_message};  // never read: its length alone is refused
  EXPECT_DEATH(append_query(out, too_long), "");
  EXPECT_DEATH(append_copy_fail(out, {"", std::size_t{1} << 32}), "");
  detail::request many{"select"};
  for (std::size_t i = 0; i <= max_parameters; ++i) many.add_type(23, true);
  EXPECT_DEATH(append_bind(out, "", many), "");
  EXPECT_DEATH(append_parse(out, "", many), "");
}

}  // namespace
}  // namespace lido::wire
