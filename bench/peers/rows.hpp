// What W9i and W9o copy: five columns a row, in the text format.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lido::bench {

constexpr std::string_view copy_line = "1234567\t1234567890123\tname of the row\t1234.5\t2026-11-26 12:34:56+00\n";

inline std::string copy_out_sql(std::size_t rows) {
  return "COPY (SELECT i, i * 1000000, 'name of the row', 1234.5::float8, timestamptz '2026-11-26 12:34:56+00' "
         "FROM generate_series(1, " +
         std::to_string(rows) + "::int8) i) TO STDOUT";
}

}  // namespace lido::bench
