#include <lido/driver/detail/knobs.hpp>
#include <lido/driver/error.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

constexpr std::size_t max_edits = 2;
constexpr std::size_t longest_name = 64;

// Insertions, removals and replacements that make `a` out of `b`.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

bool printable_name(std::string_view key) {
  return key.size() <= longest_name && std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f && c != '"'; });
}

}  // namespace

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t fewest = max_edits + 1;
  if (name.size() > longest_name) return best;
  for (const std::string_view candidate : known) {
    const std::size_t n = edits(name, candidate);
    // Two edits make any name of two letters out of any other.
    if (n < fewest && n < candidate.size()) {
      fewest = n;
      best = candidate;
    }
  }
  return best;
}

void throw_invalid_config(std::string context) {
  diagnostics diag;
  diag.context = std::move(context);
  throw error(errc::invalid_config, std::move(diag));
}

void throw_bad_value(std::string_view where, std::string_view key, std::string_view expects) {
  throw_invalid_config(std::string(where) + ": " + std::string(key) + " expects " + std::string(expects));
}

std::string bounds_in_words(const knob_info& knob) {
  const auto in_words = [&knob](double n) {
    if (knob.kind == knob_kind::duration)
      return text_of_duration(std::chrono::nanoseconds(static_cast<std::chrono::nanoseconds::rep>(n)));
    if (knob.kind == knob_kind::ratio) return text_of_ratio(n);
    const auto whole = static_cast<std::size_t>(n);
    return knob.kind == knob_kind::bytes ? text_of_bytes(whole) : std::to_string(whole);
  };
  const bool from_nothing = knob.kind == knob_kind::duration && knob.least == 1;  // a nanosecond: just not zero
  const bool bounded = std::isfinite(knob.most);
  if (from_nothing) return "must be above 0 and at most " + in_words(knob.most) + ": no wait is infinite";
  return bounded ? "must be from " + in_words(knob.least) + " to " + in_words(knob.most)
                 : "must be at least " + in_words(knob.least);
}

void throw_unknown_key(std::string_view where, std::string_view key, std::string_view nearest) {
  std::string text = std::string(where) + ": unknown key";
  if (!nearest.empty() && printable_name(key)) text += " \"" + std::string(key) + "\"";
  if (!nearest.empty()) text += "; did you mean \"" + std::string(nearest) + "\"?";
  throw_invalid_config(std::move(text));
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
