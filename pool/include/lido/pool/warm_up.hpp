// How a pool warms up: see pool::async_warm_up().
#pragma once

#include <cstdint>

namespace lido {
inline namespace v0 {

enum class warm_up_mode : std::uint8_t {
  fail_fast,  ///< the first connect that fails ends it, with that error: for a start that must not go unnoticed
  lazy,       ///< failed connects are tried again, with back-off, until the deadline, which is no error
};

}  // namespace v0
}  // namespace lido
