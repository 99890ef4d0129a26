// The frame reader: which headers are believed in which phase, and where a frame ends.
#include "driver/wire/frame.hpp"
#include "driver/wire/limits.hpp"
#include "tests/unit/wire_bytes.hpp"

#include <lido/driver/error.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace lido::wire {
namespace {

using test::header;
using test::message;

constexpr limits defaults{};
constexpr phase every_phase[] = {phase::authentication, phase::startup, phase::ready};

constexpr std::string_view known_types(phase in) {
  switch (in) {
    case phase::authentication: return "RvE";
    case phase::startup: return "SKZENA";
    case phase::ready: return "DdTtENACZSI123nsGHc";
  }
  return {};
}

frame_status status_of(std::string_view bytes, phase in = phase::ready) {
  return next_frame(bytes, in, defaults).status;
}
std::error_code error_of(std::string_view bytes, phase in = phase::ready, const limits& bounds = defaults) {
  const frame_result result = next_frame(bytes, in, bounds);
  EXPECT_EQ(result.status == frame_status::violation, result.error != errc{});
  return result.status == frame_status::violation ? make_error_code(result.error) : std::error_code{};
}

TEST(wire_frame, a_cut_header_wants_five_bytes) {
  const std::string whole = message('Z', "I");
  for (std::size_t cut = 0; cut < 5; ++cut) {
    const frame_result result = next_frame(std::string_view{whole}.substr(0, cut), phase::ready, defaults);
    EXPECT_EQ(result.status, frame_status::incomplete);
    EXPECT_EQ(result.size, 5U);
  }
}

TEST(wire_frame, a_cut_body_wants_the_whole_frame) {
  for (const char type : {'D', 'C'}) {
    const std::string whole = message(type, "0123456789");
    for (std::size_t cut = 5; cut < whole.size(); ++cut) {
      const frame_result result = next_frame(std::string_view{whole}.substr(0, cut), phase::ready, defaults);
      EXPECT_EQ(result.status, frame_status::incomplete);
      EXPECT_EQ(result.size, whole.size());
    }
  }
}

TEST(wire_frame, a_whole_frame_is_a_view_into_the_buffer) {
  for (const char type : {'D', 'C'}) {
    const std::string bytes = message(type, "abc") + "next";
    const frame_result result = next_frame(bytes, phase::ready, defaults);
    ASSERT_EQ(result.status, frame_status::complete);
    EXPECT_EQ(result.value.type, type);
    EXPECT_EQ(result.value.body, "abc");
    EXPECT_EQ(result.value.body.data(), bytes.data() + 5);
    EXPECT_EQ(result.size, 8U);
  }
}

std::vector<std::string> split(std::string_view stream, std::size_t step) {
  std::vector<std::string> frames;
  std::string buffer;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    buffer += stream.substr(at, step);
    frame_result result = next_frame(buffer, phase::ready, defaults);
    while (result.status == frame_status::complete) {
      frames.push_back(result.value.type + std::string{result.value.body});
      buffer.erase(0, result.size);
      result = next_frame(buffer, phase::ready, defaults);
    }
    EXPECT_NE(result.status, frame_status::violation);
  }
  EXPECT_TRUE(buffer.empty());
  return frames;
}

TEST(wire_frame, B60_any_slicing_gives_the_same_frames) {
  std::string stream;
  for (int i = 0; i < 20; ++i)
    stream += message('T', "abc") + message('D', std::string(std::size_t(i), 'x')) + message('Z', "I");
  const std::vector<std::string> whole = split(stream, stream.size());
  EXPECT_EQ(whole.size(), 60U);
  for (const std::size_t step : {1U, 2U, 3U, 5U, 7U, 64U}) EXPECT_EQ(split(stream, step), whole);
}

TEST(wire_frame, B54_lengths_below_four_kill) {
  for (const phase in : every_phase) {
    for (const char type : known_types(in)) {
      for (const std::uint32_t length : {0U, 1U, 2U, 3U}) {
        EXPECT_EQ(error_of(header(type, length), in), errc::protocol_error) << type << length;
        EXPECT_EQ(error_of(header(type, length) + "more bytes behind it", in), errc::protocol_error) << type << length;
      }
    }
  }
}

TEST(wire_frame, B55_negative_lengths_kill) {
  const limits no_limit{SIZE_MAX};
  for (const phase in : every_phase) {
    for (const char type : known_types(in)) {
      for (const std::uint32_t length : {0x80000000U, 0x80000001U, 0xfffffffeU, 0xffffffffU}) {
        EXPECT_EQ(error_of(header(type, length), in, no_limit), errc::protocol_error) << type << length;
      }
    }
  }
}

TEST(wire_frame, B56_messages_short_by_nature_are_refused_at_the_header) {
  for (const char type : std::string_view{"CZI123nsSGHc"}) {
    EXPECT_EQ(error_of(header(type, 0x7fffffff)), errc::protocol_error) << type;
    EXPECT_EQ(error_of(header(type, max_short_message + 1)), errc::protocol_error) << type;
    EXPECT_EQ(status_of(header(type, max_short_message)), frame_status::incomplete) << type;
  }
  EXPECT_EQ(error_of(header('K', max_short_message + 1), phase::startup), errc::protocol_error);
}

TEST(wire_frame, B57_long_messages_are_bounded_by_the_knob) {
  const limits bounds{1000};
  for (const char type : std::string_view{"DdTtENA"}) {
    EXPECT_EQ(error_of(header(type, 1001), phase::ready, bounds), errc::message_too_large) << type;
    EXPECT_EQ(next_frame(header(type, 1000), phase::ready, bounds).size, 1001U) << type;
    EXPECT_EQ(error_of(header(type, 0x7fffffff)), errc::message_too_large) << type;
    EXPECT_EQ(error_of(message(type, std::string(997, 'x')), phase::ready, bounds), errc::message_too_large) << type;
    EXPECT_EQ(status_of(message(type, std::string(996, 'x')), phase::ready), frame_status::complete) << type;
  }
}

TEST(wire_frame, C36_a_description_of_65535_parameters_is_legal) {
  EXPECT_EQ(next_frame(header('t', 4 + 2 + 4 * 65535), phase::ready, defaults).size, 262147U);
}

TEST(wire_frame, B58_types_that_a_phase_does_not_know_kill_at_the_header) {
  for (const phase in : every_phase) {
    for (int type = 0; type < 256; ++type) {
      const bool known = known_types(in).find(static_cast<char>(type)) != std::string_view::npos;
      const std::string bytes = header(static_cast<char>(type), 1000);
      EXPECT_EQ(status_of(bytes, in), known ? frame_status::incomplete : frame_status::violation) << type;
      EXPECT_EQ(error_of(bytes, in), known ? std::error_code{} : make_error_code(errc::protocol_error)) << type;
    }
  }
}

TEST(wire_frame, B41_notices_and_parameters_before_authentication_kill) {
  EXPECT_EQ(error_of(message('N', ""), phase::authentication), errc::protocol_error);
  EXPECT_EQ(error_of(message('S', ""), phase::authentication), errc::protocol_error);
  EXPECT_EQ(status_of(message('N', ""), phase::startup), frame_status::complete);
  EXPECT_EQ(status_of(message('S', ""), phase::startup), frame_status::complete);
}

TEST(wire_frame, B43_B102_what_belongs_to_startup_kills_after_it) {
  for (const char type : {'R', 'K', 'v'}) EXPECT_EQ(error_of(header(type, 12)), errc::protocol_error) << type;
}

TEST(wire_frame, B78_B81_function_calls_and_replication_kill) {
  for (const char type : {'V', 'W'}) EXPECT_EQ(error_of(header(type, 8)), errc::protocol_error) << type;
}

TEST(wire_frame, B20_authentication_requests_are_8_to_2000_bytes) {
  for (const char type : {'R', 'v'}) {
    EXPECT_EQ(error_of(header(type, 7), phase::authentication), errc::protocol_error);
    EXPECT_EQ(status_of(header(type, 8), phase::authentication), frame_status::incomplete);
    EXPECT_EQ(status_of(header(type, 2000), phase::authentication), frame_status::incomplete);
    EXPECT_EQ(error_of(header(type, 2001), phase::authentication), errc::protocol_error);
  }
}

TEST(wire_frame, B21_errors_before_authentication_are_8_to_30000_bytes) {
  EXPECT_EQ(error_of(header('E', 7), phase::authentication), errc::protocol_error);
  EXPECT_EQ(status_of(header('E', 8), phase::authentication), frame_status::incomplete);
  EXPECT_EQ(status_of(header('E', 30000), phase::authentication), frame_status::incomplete);
  EXPECT_EQ(error_of(header('E', 30001), phase::authentication), errc::protocol_error);
  EXPECT_EQ(status_of(header('E', 30001), phase::startup), frame_status::incomplete);
}

TEST(wire_frame, B101_other_protocols_kill_within_one_read) {
  for (const phase in : every_phase) {
    EXPECT_EQ(error_of("SSH-2.0-OpenSSH_9.2", in), errc::protocol_error);
    EXPECT_EQ(error_of("HTTP/1.1 400 Bad Request", in), errc::protocol_error);
  }
}

}  // namespace
}  // namespace lido::wire
