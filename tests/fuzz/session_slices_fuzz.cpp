// However a network cuts the bytes, they mean the same.
#include "tests/fuzz/session_run.hpp"
#include "tests/fuzz/target.hpp"

#include <algorithm>

LIDO_FUZZ_TARGET(session_slices, input) {
  if (input.size() < 2) return;
  const auto mode = static_cast<unsigned char>(input[0]);
  std::size_t slice = 1 + static_cast<unsigned char>(input[1]) % 64U;
  input.remove_prefix(2);
  lido::fuzz::session_run whole(mode);
  whole.feed(input);
  lido::fuzz::session_run sliced(mode);
  for (std::size_t at = 0; at < input.size(); at += slice, slice = slice % 7 + 1) sliced.feed(input.substr(at, slice));
  lido::fuzz::require(whole.transcript() == sliced.transcript());
}
