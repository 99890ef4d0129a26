// Writes JSON into a string. Keys and texts are escaped so that they are safe inside a page, too, whoever wrote them:
// control characters, quotes, `<`, `>`, `&`, and whatever is not UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lido::inline v0::metrics {

class json_writer {
 public:
  json_writer& begin_object() { return open('{'); }
  json_writer& end_object() { return close('}'); }
  json_writer& begin_array() { return open('['); }
  json_writer& end_array() { return close(']'); }
  json_writer& key(std::string_view name);
  json_writer& text(std::string_view value);
  /// Whole numbers as such; what is not finite as null.
  json_writer& number(double value);
  json_writer& boolean(bool value);

  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  json_writer& open(char bracket);
  json_writer& close(char bracket);
  void separate();
  void quote(std::string_view value);

  std::string out_;
  bool first_ = true;  // of its object or array
};

}  // namespace lido::inline v0::metrics
