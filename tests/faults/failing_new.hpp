// operator new that fails on demand: from now on, of this thread's allocations of at least so many bytes the n-th, once
// (F25).
#pragma once

#include <cstddef>

namespace lido::testing::failing_new {

void arm(std::size_t nth, std::size_t at_least) noexcept;
void disarm() noexcept;
/// Whether it has come to that since it was armed.
[[nodiscard]] bool has_failed() noexcept;

}  // namespace lido::testing::failing_new
