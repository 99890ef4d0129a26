#include <lido/driver/error.hpp>
#include <lido/driver/numeric.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace lido {
inline namespace v0 {
namespace {

// The binary form: how many base-10000 digits, the exponent of the first one, a sign word, how many decimals to show,
// the digits.
constexpr std::uint16_t sign_positive = 0x0000;
constexpr std::uint16_t sign_negative = 0x4000;
constexpr std::uint16_t sign_nan = 0xC000;
constexpr std::uint16_t sign_infinity = 0xD000;
constexpr std::uint16_t sign_minus_infinity = 0xF000;
constexpr std::uint16_t max_scale = 0x3FFF;
constexpr int base = 10000;
constexpr std::size_t decimals_per_digit = 4;

struct header {
  std::uint16_t digits;
  std::int16_t weight;
  std::uint16_t sign;
  std::uint16_t scale;
};

std::array<char, decimals_per_digit> decimals(std::uint16_t digit) noexcept {
  const auto at = [digit](int unit) { return static_cast<char>('0' + digit / unit % 10); };
  return {at(1000), at(100), at(10), at(1)};
}

// The digit whose exponent is `weight`; those that are not sent are zero.
class digit_source {
 public:
  digit_source(std::string_view wire, std::int16_t first_weight) noexcept : wire_(wire), first_(first_weight) {}

  std::uint16_t at(int weight) const noexcept {
    const int index = first_ - weight;
    if (index < 0 || static_cast<std::size_t>(index) * 2 >= wire_.size()) return 0;
    const std::size_t i = static_cast<std::size_t>(index) * 2;
    return static_cast<std::uint16_t>(static_cast<unsigned char>(wire_[i]) << 8 |
                                      static_cast<unsigned char>(wire_[i + 1]));
  }
  bool valid() const noexcept {
    for (std::size_t i = 0; i < wire_.size() / 2; ++i) {
      if (at(first_ - static_cast<int>(i)) >= base) return false;
    }
    return true;
  }

 private:
  std::string_view wire_;
  int first_;
};

// As numeric_out prints it. At most 131,072 characters before the point and 16,383 behind it, whatever the peer sends.
std::string to_text(const header& head, const digit_source& digits) {
  std::string out;
  if (head.sign == sign_negative) out += '-';
  const std::size_t sign_size = out.size();
  for (int weight = head.weight; weight >= 0; --weight) {
    const auto four = decimals(digits.at(weight));
    out.append(four.data(), four.size());
  }
  const std::size_t first = std::min(out.find_first_not_of('0', sign_size), out.size());
  out.erase(sign_size, first - sign_size);
  if (out.size() == sign_size) out += '0';
  if (head.scale == 0) return out;
  out += '.';
  const std::size_t end = out.size() + head.scale;
  for (int weight = -1; out.size() < end; --weight) {
    const auto four = decimals(digits.at(weight));
    out.append(four.data(), std::min(four.size(), end - out.size()));
  }
  return out;
}

bool binary_to_text(value_reader& in, std::string& out) {
  const header head{in.take<std::uint16_t>(), in.take<std::int16_t>(), in.take<std::uint16_t>(),
                    in.take<std::uint16_t>()};
  const digit_source digits(in.take_bytes(std::size_t{head.digits} * 2), head.weight);
  if (!in.complete() || !digits.valid() || head.scale > max_scale) return false;
  switch (head.sign) {
    case sign_nan: out = "NaN"; return true;
    case sign_infinity: out = "Infinity"; return true;
    case sign_minus_infinity: out = "-Infinity"; return true;
    case sign_positive:
    case sign_negative: out = to_text(head, digits); return true;
    default: return false;
  }
}

std::size_t skip_digits(std::string_view text, std::size_t at) noexcept {
  return std::min(text.find_first_not_of("0123456789", at), text.size());
}

// [sign] digits [. digits] [e [sign] digits], at least one digit.
bool is_decimal(std::string_view text) noexcept {
  std::size_t at = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
  const std::size_t whole = skip_digits(text, at);
  std::size_t digits = whole - at;
  at = whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = skip_digits(text, at + 1);
    digits += fraction - (at + 1);
    at = fraction;
  }
  if (digits == 0) return false;
  if (at == text.size()) return true;
  if (text[at] != 'e' && text[at] != 'E') return false;
  if (++at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  return at < text.size() && skip_digits(text, at) == text.size();
}

// What is_decimal() has accepted, taken apart: of "-12.3e-2" the digits are "123", and 0 of them are before the point.
struct decimal {
  bool negative = false;
  std::string digits;
  std::int64_t point = 0;  // how many of them are before it; may lie outside
  std::int64_t scale = 0;  // decimals to show
};

bool read_decimal(std::string_view text, decimal& out) {
  out.negative = text.starts_with('-');
  if (text.front() == '-' || text.front() == '+') text.remove_prefix(1);
  const std::size_t exponent_at = std::min(text.find_first_of("eE"), text.size());
  std::int64_t exponent = 0;
  if (exponent_at < text.size()) {
    std::string_view digits = text.substr(exponent_at + 1);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    if (std::from_chars(digits.data(), digits.data() + digits.size(), exponent).ec != std::errc{}) return false;
    constexpr std::int64_t enough = 1'000'000;  // the server has at most 131,072 digits before the point
    if (exponent > enough || exponent < -enough) return false;
  }
  text = text.substr(0, exponent_at);
  const std::size_t point = std::min(text.find('.'), text.size());
  out.digits = text.substr(0, point);
  if (point < text.size()) out.digits += text.substr(point + 1);
  out.point = static_cast<std::int64_t>(point) + exponent;
  out.scale = std::max<std::int64_t>(0, static_cast<std::int64_t>(out.digits.size()) - out.point);
  return out.scale <= max_scale;
}

// Four decimals a digit, aligned at the point; zeros at both ends are not sent.
bool put_decimal(const decimal& number, value_writer& out) {
  constexpr std::int64_t four = decimals_per_digit;
  const auto at = [&](std::int64_t i) {
    return i < 0 || i >= static_cast<std::int64_t>(number.digits.size())
               ? 0
               : number.digits[static_cast<std::size_t>(i)] - '0';
  };
  std::size_t first = number.digits.find_first_not_of('0');
  if (first == std::string::npos) first = number.digits.size();
  const std::size_t last = number.digits.find_last_not_of('0');
  std::int64_t weight = 0;
  std::int64_t count = 0;
  if (first < number.digits.size()) {
    // The digit `weight` holds the decimals from point - 4 * (weight + 1) to point - 4 * weight.
    const std::int64_t lead = number.point - static_cast<std::int64_t>(first) - 1;  // power of ten of the first one
    const std::int64_t tail = number.point - static_cast<std::int64_t>(last) - 1;
    weight = lead >= 0 ? lead / four : -((-lead + four - 1) / four);
    const std::int64_t lowest = tail >= 0 ? tail / four : -((-tail + four - 1) / four);
    count = weight - lowest + 1;
  }
  if (weight > std::numeric_limits<std::int16_t>::max() || count > std::numeric_limits<std::int16_t>::max())
    return false;
  out.put(static_cast<std::uint16_t>(count));
  out.put(static_cast<std::int16_t>(weight));
  out.put(number.negative && count > 0 ? sign_negative : sign_positive);
  out.put(static_cast<std::uint16_t>(number.scale));
  for (std::int64_t w = weight; w > weight - count; --w) {
    int digit = 0;
    for (std::int64_t power = w * four + four - 1; power >= w * four; --power)
      digit = digit * 10 + at(number.point - 1 - power);
    out.put(static_cast<std::uint16_t>(digit));
  }
  return true;
}

}  // namespace

std::optional<numeric> numeric::parse(std::string_view text) {
  const bool special = text == "NaN" || text == "Infinity" || text == "-Infinity";
  if (!special && !is_decimal(text)) return std::nullopt;
  numeric out;
  out.text_.assign(text);
  return out;
}

numeric::numeric(std::string_view text) {
  auto parsed = parse(text);
  if (!parsed) throw error(errc::not_encodable);
  text_ = std::move(parsed->text_);
}

double numeric::to_double() const noexcept {
  std::string_view digits = text_;
  if (digits.starts_with('+')) digits.remove_prefix(1);  // from_chars knows no plus
  double out = 0;
  const auto [stop, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (ec != std::errc::result_out_of_range) return out;
  // Too large, or so small that it is zero: out is untouched. A negative exponent or a leading zero tells.
  const bool tiny = digits.find("e-") != std::string_view::npos || digits.find("E-") != std::string_view::npos ||
                    digits.starts_with("0.") || digits.starts_with("-0.") || digits.starts_with('.') ||
                    digits.starts_with("-.");
  const double magnitude = tiny ? 0.0 : std::numeric_limits<double>::infinity();
  return digits.starts_with('-') ? -magnitude : magnitude;
}

bool codec<numeric>::encode(const numeric& value, value_writer& out) {
  out.put_bytes(value.text_);
  return true;
}

bool codec<numeric>::encode_binary(const numeric& value, value_writer& out) {
  const auto special = [&out](std::uint16_t sign) {
    for (const std::uint16_t word : {std::uint16_t{0}, std::uint16_t{0}, sign, std::uint16_t{0}}) out.put(word);
    return true;
  };
  if (value.text_ == "NaN") return special(sign_nan);
  if (value.text_ == "Infinity") return special(sign_infinity);
  if (value.text_ == "-Infinity") return special(sign_minus_infinity);
  decimal number;
  return read_decimal(value.text_, number) && put_decimal(number, out);
}

bool codec<numeric>::decode(value_reader& in, numeric& out) {
  if (!in.binary()) {
    auto parsed = numeric::parse(in.take_all());
    if (parsed) out = std::move(*parsed);
    return parsed.has_value();
  }
  switch (in.type()) {
    case oid::int2: out = numeric(in.take<std::int16_t>()); return true;
    case oid::int4: out = numeric(in.take<std::int32_t>()); return true;
    case oid::int8: out = numeric(in.take<std::int64_t>()); return true;
    default: return binary_to_text(in, out.text_);
  }
}

}  // namespace v0
}  // namespace lido
