// The memory of large results, once a thread: a program that reads them one after the other would else have the C
// library give it back to the kernel and fetch it again, page by page, for each.
#pragma once

#include <cstddef>
#include <string>

namespace lido {
inline namespace v0 {
namespace detail {

inline constexpr std::size_t least_kept_rows = 4096;       // bytes; what is smaller the C library keeps by itself
inline constexpr std::size_t most_kept_rows = 256 * 1024;  // of each thread

// For the next one of this thread, unless it has a larger one.
void keep_row_memory(std::string& rows) noexcept;
// Room for so many more bytes, in what was kept if that will do. Throws std::bad_alloc.
void grow_row_memory(std::string& rows, std::size_t more);

inline void append_rows(std::string& rows, const char* data, std::size_t size) {
  const std::size_t all = rows.size() + size;
  if (all > rows.capacity() && all >= least_kept_rows) [[unlikely]]
    grow_row_memory(rows, size);
  rows.append(data, size);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
