#include <lido/driver/detail/row_plan.hpp>

#include <algorithm>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

// A field `class_` stands for the column "class", which C++ cannot say.
bool takes(std::string_view field, std::string_view name) noexcept {
  return field == name || (field.size() == name.size() + 1 && field.ends_with('_') && field.starts_with(name));
}

std::string name_of(std::string_view name) { return "\"" + std::string(name) + "\""; }

}  // namespace

std::error_code report_count(const row_description& columns, std::size_t wanted, lazy_diagnostics& diag) {
  if (columns.empty())
    return report(errc::column_mismatch, "the statement returns no rows, so nothing can be read from it", diag);
  return report(errc::column_mismatch,
                "the result has " + std::to_string(columns.size()) + " columns, the row type " + std::to_string(wanted),
                diag);
}

std::error_code report_type(const row_description& columns, std::size_t index, std::string_view cpp_type,
                            lazy_diagnostics& diag) {
  return report(errc::type_mismatch, describe_mismatch(columns[index], index, cpp_type), diag);
}

std::error_code match_fields(const row_description& columns, const std::string_view* fields, std::size_t count,
                             std::size_t* column_to_field, lazy_diagnostics& diag) {
  for (std::size_t f = 0; f < count; ++f) {
    const auto matches = std::ranges::count_if(columns, [&](const column& c) { return takes(fields[f], c.name); });
    if (matches == 1) continue;
    const char* const what = matches == 0 ? "no column is called " : "more than one column is called ";
    return report(errc::column_mismatch, what + name_of(fields[f]) + ", as a field of the row type is", diag);
  }
  if (auto ec = check_column_count(columns, count, diag)) return ec;
  // As many columns as fields, and each field has exactly one: it is a bijection unless two fields want the same
  // column.
  for (std::size_t c = 0; c < count; ++c) {
    const auto* const field =
        std::find_if(fields, fields + count, [&](std::string_view f) { return takes(f, columns[c].name); });
    if (field == fields + count) {
      return report(errc::column_mismatch, "two fields of the row type want the same column", diag);
    }
    column_to_field[c] = static_cast<std::size_t>(field - fields);
  }
  return {};
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
