// A protocol fed with messages named by their type letters: feed(p, "1tT2DCZ") gives every one a plausible body.
#pragma once

#include "driver/session/protocol.hpp"
#include "tests/unit/wire_bytes.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lido::test {

using session::event_kind;
using session::protocol;
using session::segment;

// Two columns and no parameters everywhere, so that descriptions and rows fit one another.
inline std::string plausible_body(char type) {
  switch (type) {
    case 'C': return bytes{}.text("SELECT 1");
    case 'D': return data_row({"a", "b"});
    case 'E': return error_body("ERROR", "42601", "syntax error");
    case 'F': return error_body("FATAL", "57P01", "terminating connection");  // not a type: shorthand for a fatal E
    case 'N': return error_body("NOTICE", "00000", "hello");
    case 'A': return bytes{}.u32(7).text("channel").text("payload");
    case 'S': return bytes{}.text("application_name").text("test");
    case 'T': return row_description({"x", "y"});
    case 't': return bytes{}.u16(0);
    case 'G':
    case 'H': return bytes{}.u8(0).u16(1).u16(0);
    case 'Z': return "I";
    case 'd': return "copied";
    default: return {};
  }
}

inline event_kind feed_body(protocol& to, char type, std::string_view body) { return to.on_frame({type, body}); }

inline event_kind feed_one(protocol& to, char type) {
  return feed_body(to, type == 'F' ? 'E' : type, plausible_body(type));
}

inline std::vector<event_kind> feed(protocol& to, std::string_view types) {
  std::vector<event_kind> events;
  for (const char type : types) events.push_back(feed_one(to, type));
  return events;
}

inline session::segment segment_of(std::string_view name) {
  if (name == "simple") return segment::simple;
  if (name == "prepare") return segment::prepare_and_run;
  return name == "run" || name == "run without rows" ? segment::run : segment::sync;
}

inline std::shared_ptr<const detail::row_description> two_columns() {
  return std::make_shared<const detail::row_description>(
      detail::row_description{{"x", 0, 23, -1, true}, {"y", 0, 23, -1, true}});
}

// By name, so that tables read well: "simple", "prepare", "run", "run without rows", "sync".
inline void begin(protocol& on, std::string_view name) {
  on.begin(segment_of(name), name == "run" ? two_columns() : nullptr);
}

}  // namespace lido::test
