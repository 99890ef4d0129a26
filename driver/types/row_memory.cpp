#include <lido/driver/detail/row_memory.hpp>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

struct spare_rows {
  std::string memory;
  ~spare_rows();
};
// A result may outlive its thread's spare memory: one of static storage does.
thread_local bool is_gone = false;
thread_local spare_rows spare;

spare_rows::~spare_rows() { is_gone = true; }

}  // namespace

void keep_row_memory(std::string& rows) noexcept {
  if (is_gone || rows.capacity() > most_kept_rows || rows.capacity() <= spare.memory.capacity()) return;
  spare.memory.swap(rows);
}

void grow_row_memory(std::string& rows, std::size_t more) {
  if (is_gone || spare.memory.capacity() < rows.size() + more) return;
  spare.memory.assign(rows);
  spare.memory.swap(rows);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
