#include <lido/driver/detail/knobs.hpp>

#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

template <class Number>
bool number(std::string_view text, Number& out) {
  const char* const end = text.data() + text.size();
  const auto [stop, ec] = std::from_chars(text.data(), end, out);
  return ec == std::errc{} && stop == end;
}

struct unit {
  std::string_view suffix;
  std::size_t bytes;
};
// Longest first, so that "KiB" is not taken for "B".
constexpr std::array units{unit{"GiB", std::size_t{1} << 30}, unit{"MiB", std::size_t{1} << 20},
                           unit{"KiB", std::size_t{1} << 10}, unit{"B", 1}};

}  // namespace

bool duration_from_text(std::string_view text, std::chrono::nanoseconds& out) {
  absl::Duration parsed;
  if (!absl::ParseDuration(absl::string_view(text.data(), text.size()), &parsed)) return false;
  // Infinite is what no wait of ours may be (I5).
  if (parsed < absl::ZeroDuration() || parsed > absl::Hours(24 * 365)) return false;
  out = absl::ToChronoNanoseconds(parsed);
  return true;
}

bool seconds_or_duration_from_text(std::string_view text, std::chrono::nanoseconds& out) {
  std::uint32_t seconds = 0;
  if (!number(text, seconds)) return duration_from_text(text, out);
  out = std::chrono::seconds(seconds);
  return true;
}

bool bytes_from_text(std::string_view text, std::size_t& out) {
  std::size_t scale = 1;
  for (const unit& u : units) {
    if (!text.ends_with(u.suffix)) continue;
    text.remove_suffix(u.suffix.size());
    scale = u.bytes;
    break;
  }
  std::size_t value = 0;
  if (!number(text, value) || value > std::numeric_limits<std::size_t>::max() / scale) return false;
  out = value * scale;
  return true;
}

bool count_from_text(std::string_view text, std::size_t& out) { return number(text, out); }
bool ratio_from_text(std::string_view text, double& out) { return number(text, out) && std::isfinite(out) && out >= 0; }

bool flag_from_text(std::string_view text, bool& out) {
  out = text == "1" || text == "true" || text == "on" || text == "yes";
  return out || text == "0" || text == "false" || text == "off" || text == "no";
}

std::string text_of_duration(std::chrono::nanoseconds t) { return absl::FormatDuration(absl::FromChrono(t)); }

std::string text_of_bytes(std::size_t n) {
  for (const unit& u : units) {
    if (u.bytes > 1 && n != 0 && n % u.bytes == 0) return std::to_string(n / u.bytes) + std::string(u.suffix);
  }
  return std::to_string(n);
}

std::string text_of_ratio(double r) {
  std::array<char, 64> buffer;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), r);
  return {buffer.data(), written.ptr};
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
