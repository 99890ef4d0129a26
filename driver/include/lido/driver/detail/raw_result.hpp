// What a query brought back, before it is decoded: rows as they came on the wire, in one buffer that the result owns
// (contract I26).
#pragma once

#include <lido/driver/detail/recycled.hpp>
#include <lido/driver/detail/row_memory.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

/// One column of a result, as RowDescription announced it.
struct column {
  std::string name;
  std::uint32_t table_oid = 0;
  std::uint32_t type_oid = 0;
  std::int32_t type_modifier = -1;
  bool binary = true;
};

namespace detail {

using row_description = std::vector<column>;

struct raw_result {
  raw_result() = default;
  raw_result(raw_result&&) noexcept = default;
  raw_result& operator=(raw_result&&) noexcept = default;
  ~raw_result() {
    if (bytes.capacity() >= least_kept_rows) [[unlikely]]
      keep_row_memory(bytes);
  }

  std::shared_ptr<const row_description> columns;  // null for a statement without rows
  std::string bytes;                // rows, one behind the other: bodies of DataRow, count field included
  std::size_t lead = 0;             // bytes in front of each: its header, where messages were kept whole
  short_list<std::size_t, 2> ends;  // end of each row in `bytes`
  std::string tag;                  // CommandComplete, "SELECT 3"; empty for an empty query
  bool last = false;                // of the batches of a stream

  std::size_t row_count() const noexcept { return ends.size(); }
  std::string_view row(std::size_t i) const noexcept {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view{bytes}.substr(begin + lead, ends[i] - begin - lead);
  }
};

// The results of one operation: nearly always one.
class raw_results {
 public:
  raw_result& emplace_back() {
    if (first_) return another();
    first_ = make_recycled<raw_result>();
    return *first_;
  }
  void adopt(recycled_ptr<raw_result> only) noexcept { first_ = std::move(only); }
  bool empty() const noexcept { return !first_; }
  raw_result& back() noexcept { return more_ ? *more_->back() : *first_; }
  recycled_ptr<raw_result> take_first() noexcept { return std::move(first_); }
  std::vector<recycled_ptr<raw_result>> take_all() {
    std::vector<recycled_ptr<raw_result>> all;
    if (more_) all = std::move(*std::exchange(more_, nullptr));
    if (first_) all.insert(all.begin(), std::move(first_));
    return all;
  }

 private:
  raw_result& another() {
    if (!more_) more_ = std::make_unique<std::vector<recycled_ptr<raw_result>>>();
    return *more_->emplace_back(make_recycled<raw_result>());
  }

  recycled_ptr<raw_result> first_;
  std::unique_ptr<std::vector<recycled_ptr<raw_result>>> more_;
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
