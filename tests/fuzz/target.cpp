#include "tests/fuzz/target.hpp"

namespace lido::fuzz {
namespace {

constinit target* list = nullptr;

}  // namespace

target::target(const char* target_name, target_function function) noexcept
    : name(target_name), run(function), next(list) {
  list = this;
}

target* first_target() noexcept { return list; }

}  // namespace lido::fuzz
