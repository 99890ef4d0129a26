#include "tests/fuzz/session_run.hpp"
#include "tests/fuzz/target.hpp"

LIDO_FUZZ_TARGET(session, input) {
  if (input.empty()) return;
  lido::fuzz::session_run run(static_cast<unsigned char>(input.front()));
  run.feed(input.substr(1));
}
