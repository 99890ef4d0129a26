// What a configuration is refused with.
#pragma once

#include <lido/driver/error.hpp>

#include <string>
#include <system_error>
#include <utility>

namespace lido::test {

struct refusal {
  std::error_code code;
  std::string text;  // all that a user may ever see of it
};

// An empty code when `f` throws nothing.
template <class F>
refusal refusal_of(F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const error& e) {
    return {e.code(), std::string(e.what()) + "\n" + e.diag().context + "\n" + e.diag().summary()};
  }
  return {};
}

}  // namespace lido::test
