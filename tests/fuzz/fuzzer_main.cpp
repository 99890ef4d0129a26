// What libFuzzer calls: the one target that this program is linked with.
#include "tests/fuzz/target.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
  lido::fuzz::first_target()->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
