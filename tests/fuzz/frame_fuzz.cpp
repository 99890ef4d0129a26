#include "driver/wire/frame.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(frame, input) {
  using namespace lido::wire;
  constexpr limits bounds{.max_message_bytes = 1U << 16U};
  for (const phase in : {phase::authentication, phase::startup, phase::ready}) {
    std::string_view rest = input;
    for (;;) {
      const frame_result next = next_frame(rest, in, bounds);
      if (next.status != frame_status::complete) {
        // What is asked for is never more than a message may be, however long it says that it is.
        lido::fuzz::require(next.status == frame_status::violation || next.size <= bounds.max_message_bytes + 1 ||
                            rest.size() < header_size);
        break;
      }
      lido::fuzz::require(next.size >= header_size && next.size <= rest.size());
      lido::fuzz::require(next.value.body.size() + header_size == next.size);
      rest.remove_prefix(next.size);
    }
    const std::size_t row = data_row_frame(input, most_body(bounds));
    lido::fuzz::require(row <= input.size());
  }
}
