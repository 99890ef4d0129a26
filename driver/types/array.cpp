#include <lido/driver/types/array.hpp>

#include <algorithm>

namespace lido {
inline namespace v0 {
namespace detail {

bool make_array_shape(std::span<const array_dimension> dimensions, std::size_t elements, array_shape& out) noexcept {
  if (dimensions.size() > max_array_dimensions) return false;
  std::size_t product = dimensions.empty() ? 0 : 1;
  for (const array_dimension& each : dimensions) {
    std::int32_t upper = 0;
    if (each.size < 1 || __builtin_add_overflow(each.lower_bound, each.size - 1, &upper)) return false;
    if (__builtin_mul_overflow(product, static_cast<std::size_t>(each.size), &product)) return false;
  }
  if (product != elements) return false;
  std::ranges::copy(dimensions, out.dimensions.begin());
  out.count = dimensions.size();
  out.elements = product;
  return true;
}

bool take_array_shape(value_reader& in, array_shape& out, std::uint32_t& element_type) noexcept {
  const auto count = in.take<std::int32_t>();
  const auto nulls = in.take<std::int32_t>();
  element_type = in.take<std::uint32_t>();
  if (count < 0 || static_cast<std::size_t>(count) > max_array_dimensions || nulls < 0 || nulls > 1) return false;
  array_shape read;
  std::size_t elements = count == 0 ? 0 : 1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    read.dimensions[i].size = in.take<std::int32_t>();
    read.dimensions[i].lower_bound = in.take<std::int32_t>();
    const auto size = static_cast<std::size_t>(std::max(read.dimensions[i].size, 0));
    if (__builtin_mul_overflow(elements, size, &elements)) return false;
  }
  if (elements > in.remaining() / sizeof(std::int32_t)) return false;
  return make_array_shape({read.dimensions.data(), static_cast<std::size_t>(count)}, elements, out);
}

void put_array_shape(const array_shape& shape, bool nulls, const type_ref& element, value_writer& out) {
  out.put(static_cast<std::int32_t>(shape.count));
  out.put(std::int32_t{nulls});
  out.put_type(element);
  for (const array_dimension& each : shape.used()) {
    out.put(each.size);
    out.put(each.lower_bound);
  }
}

array_text::array_text(const array_shape& shape, value_writer& out) : shape_(shape), out_(out) {
  if (std::ranges::any_of(shape.used(), [](const array_dimension& each) { return each.lower_bound != 1; })) {
    for (const array_dimension& each : shape.used()) {
      out.put_bytes("[" + std::to_string(each.lower_bound) + ":" +
                    std::to_string(std::int64_t{each.lower_bound} + each.size - 1) + "]");
    }
    out.put_bytes("=");
  }
  if (shape.count == 0) out.put_bytes("{");
}

// Every dimension that begins here opens a brace; those that ended have closed theirs.
void array_text::before_element() {
  std::size_t opens = 0;
  std::size_t stride = 1;
  for (std::size_t i = shape_.count; i-- > 0;) {
    stride *= static_cast<std::size_t>(shape_.dimensions[i].size);
    if (next_ % stride == 0) ++opens;
  }
  if (next_ > 0) {
    out_.put_bytes(std::string(opens, '}'));
    out_.put_bytes(",");
  }
  out_.put_bytes(std::string(opens, '{'));
  ++next_;
}

void array_text::put(std::string_view element) {
  before_element();
  std::string quoted = "\"";
  for (const char c : element) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  out_.put_bytes(quoted + '"');
}

void array_text::put_null() {
  before_element();
  out_.put_bytes("NULL");
}

void array_text::finish() { out_.put_bytes(std::string(std::max<std::size_t>(shape_.count, 1), '}')); }

}  // namespace detail
}  // namespace v0
}  // namespace lido
