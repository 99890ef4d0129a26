// Typed rows of a binary COPY. A tuple of it is laid out as a DataRow's body, so rows are read by the same plan.
#pragma once

#include <lido/driver/codec.hpp>
#include <lido/driver/detail/initiate.hpp>
#include <lido/driver/detail/reflect.hpp>
#include <lido/driver/detail/row_plan.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

// What a reader knows of its columns besides their C++ types: in errors a type is named by its number, if that is
// known.
void number_columns(const session_handle& on, row_description& columns, std::span<const column_claim> claims);

struct copy_format {
  bool binary = false;
  std::size_t columns = 0;
};

// Gathers CopyData: one message as long as it is not taken.
class copy_buffer {
 public:
  static constexpr std::size_t capacity = 64U << 10;
  static constexpr std::size_t enough = 56U << 10;  // one row more seldom makes it grow

  void append(std::string_view bytes) { room().append(bytes); }
  std::string& room() {
    if (bytes_.empty()) [[unlikely]]
      begin();
    return bytes_;
  }
  std::size_t free() const noexcept { return bytes_.size() < enough ? enough - bytes_.size() : 0; }
  bool full() const noexcept { return bytes_.size() >= enough; }
  bool empty() const noexcept { return bytes_.empty(); }
  std::uint64_t total() const noexcept { return taken_ + (bytes_.empty() ? 0 : bytes_.size() - header); }
  std::string take();                         // the whole message; empty when there is nothing
  void give_back(std::string used) noexcept;  // to be filled again

 private:
  static constexpr std::size_t header = 5;
  void begin();

  std::string bytes_;
  std::uint64_t taken_ = 0;
};

std::string_view copy_signature() noexcept;
std::string_view copy_trailer() noexcept;
std::string copy_fail_reason(std::string_view reason);  // without NUL, of a sensible length
void check_copy(copy_format format, std::size_t parts);
[[noreturn]] void throw_not_encodable(std::size_t part, std::string_view cpp_type);

// The tuples of a binary COPY, wherever its bytes are cut.
class tuple_source {
 public:
  // Where more bytes are appended: behind what is left.
  std::string& refill();
  // The body of the next tuple, in the layout of DataRow; empty when more bytes are needed or it is the end. Throws
  // errc::value_out_of_range for what is no binary COPY of so many columns.
  std::string_view next(std::size_t columns);
  void end() const;  // throws when the bytes end in the middle

 private:
  bool skip_signature();

  std::string bytes_;
  std::size_t at_ = 0;
  bool begun_ = false;
  bool ended_ = false;
};

template <class T>
inline constexpr bool is_copy_text =
    std::same_as<T, std::string> || std::same_as<T, std::string_view> || std::same_as<T, const char*>;
template <class T>
consteval bool is_copyable() {
  using value = without_optional_t<T>;
  if constexpr (has_encoder<value>) return codec<value>::binary || is_copy_text<value>;
  return false;
}

template <class T>
struct copy_shape {
  using fields = field_types_of<T>;
  static constexpr std::size_t count = std::tuple_size_v<fields>;
  template <std::size_t I>
  using type = std::remove_pointer_t<std::tuple_element_t<I, fields>>;
  template <std::size_t I>
  static const auto& part(const T& row) noexcept {
    return *std::get<I>(
        field_pointers(const_cast<T&>(row)));  // NOLINT(cppcoreguidelines-pro-type-const-cast): read only
  }
  static std::string_view name(std::size_t i) noexcept { return field_names_of<T>[i]; }
  static row_description columns();
};

template <class... Element>
struct copy_shape<std::tuple<Element...>> {
  static constexpr std::size_t count = sizeof...(Element);
  template <std::size_t I>
  using type = std::tuple_element_t<I, std::tuple<Element...>>;
  template <std::size_t I>
  static const auto& part(const std::tuple<Element...>& row) noexcept {
    return std::get<I>(row);
  }
  static std::string_view name(std::size_t) noexcept { return {}; }
  static row_description columns();
};

template <class T>
consteval bool all_parts_copyable() {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return (is_copyable<typename copy_shape<T>::template type<I>>() && ...);
  }(std::make_index_sequence<copy_shape<T>::count>{});
}

template <class T>
concept copyable_row = (is_tuple<T> || row_struct<T>) && all_parts_copyable<T>();

template <class T>
row_description copy_columns() {
  row_description made;
  const auto add = [&made]<class Part>(std::string_view name) {
    using value = without_optional_t<Part>;
    column each;
    each.name = name.empty() ? std::to_string(made.size() + 1) : std::string(name);
    each.type_oid = is_copy_text<value>                   ? oid::text
                    : codec<value>::type == oid::inferred ? oid::first_user_defined  // some type of this database's own
                                                          : codec<value>::type;
    made.push_back(std::move(each));
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (add.template operator()<typename copy_shape<T>::template type<I>>(copy_shape<T>::name(I)), ...);
  }(std::make_index_sequence<copy_shape<T>::count>{});
  return made;
}
template <class T>
row_description copy_shape<T>::columns() {
  return copy_columns<T>();
}
template <class... Element>
row_description copy_shape<std::tuple<Element...>>::columns() {
  return copy_columns<std::tuple<Element...>>();
}

// All names that values of a row may need.
template <class Row>
std::vector<std::string> names_in() {
  std::vector<std::string> all;
  const auto add = [&all](std::string_view name) {
    if (std::ranges::find(all, name) == all.end()) all.emplace_back(name);
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (each_name<typename copy_shape<Row>::template type<I>>(add), ...);
  }(std::make_index_sequence<copy_shape<Row>::count>{});
  return all;
}
template <class Row>
inline constexpr bool writes_names = []<std::size_t... I>(std::index_sequence<I...>) {
  return (named_type_of<without_optional_t<typename copy_shape<Row>::template type<I>>>().named() || ...);
}(std::make_index_sequence<copy_shape<Row>::count>{});

// The numbers of types that are known by name, for the rows of one COPY: while it is open nobody can be asked.
class copy_numbers {
 public:
  explicit copy_numbers(session_handle on) noexcept : on_(std::move(on)) {}

  // Of the row that comes next.
  type_uses* begin() {
    uses_.clear();
    return &uses_;
  }
  // Writes them into the row. Throws errc::not_encodable for one that has not been looked up, or does not fit.
  void fill(std::string& bytes);

 private:
  struct known {
    type_use use;
    std::uint32_t number = 0;
    std::uint32_t element = 0;  // of a field that is an array of a domain
  };
  const known& find(const type_use& use);

  session_handle on_;
  type_uses uses_;
  std::vector<known> known_;
};
struct no_numbers {
  explicit no_numbers(const session_handle& /*on*/) noexcept {}
  static type_uses* begin() noexcept { return nullptr; }
  static void fill(std::string& /*bytes*/) noexcept {}
};

template <class Part>
bool append_copy_value(std::string& out, type_uses* uses, const Part& value) {
  if constexpr (is_optional<Part>) {
    if (value) return append_copy_value(out, uses, *value);
    out.append("\xff\xff\xff\xff", 4);
    return true;
  } else {
    const std::size_t where = out.size();
    out.append(4, '\0');
    value_writer writer(out, uses);
    if (!codec<Part>::encode(value, writer) || !writer.ok()) return false;
    const auto length = big_endian(static_cast<std::int32_t>(out.size() - where - 4));
    std::memcpy(out.data() + where, &length, sizeof length);
    return true;
  }
}

template <class Row, class Numbers>
void append_copy_row(copy_buffer& into, const Row& row, Numbers& numbers) {
  using shape = copy_shape<Row>;
  std::string& out = into.room();
  const std::size_t before = out.size();
  const char count[2] = {static_cast<char>(shape::count >> 8U), static_cast<char>(shape::count & 0xffU)};
  out.append(count, 2);
  std::size_t failed = 0;
  type_uses* const uses = numbers.begin();
  const bool all = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return ((failed = I, append_copy_value(out, uses, shape::template part<I>(row))) && ...);
  }(std::make_index_sequence<shape::count>{});
  if (!all) [[unlikely]] {
    out.resize(before);
    throw_not_encodable(failed, cpp_name<Row>());
  }
  if constexpr (writes_names<Row>) {
    try {
      numbers.fill(out);
    } catch (...) {
      out.resize(before);
      throw;
    }
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
