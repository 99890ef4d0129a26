// What one operation on a stream or a COPY asks for. They are several operations within one segment of the protocol;
// the number tells one exchange of a session from the next.
#pragma once

#include <cstdint>
#include <string>

namespace lido {
inline namespace v0 {
namespace detail {

enum class exchange_kind : std::uint8_t { rows, copy_in, copy_out };

enum class exchange_ask : std::uint8_t {
  open,
  next,    // more rows, or more of a COPY out
  write,   // `bytes`, whole CopyData messages, into a COPY in
  finish,  // same, and CopyDone
  fail,    // CopyFail with `bytes` as the reason
  close,   // the end, whatever is still to come
};

struct exchange_part {
  std::uint64_t id = 0;
  exchange_kind kind = exchange_kind::rows;
  exchange_ask ask = exchange_ask::open;
  std::uint32_t most_rows = 0;  // of one batch; 0: no limit
  std::string bytes{};
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
