// The one place of the test support that lets time pass: polls a condition that no event announces, until it holds or
// the budget is spent. The budget is a hang guard, never a measurement.
#pragma once

#include <chrono>
#include <functional>

namespace lido::testing {

inline constexpr std::chrono::seconds hang_guard{60};

/// True as soon as `condition` holds; false when it still does not at the end of the budget.
[[nodiscard]] bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds budget = hang_guard);

}  // namespace lido::testing
