// A fuzz target is one file:
//
//   #include "tests/fuzz/target.hpp"
//   LIDO_FUZZ_TARGET(dsn, input) { (void)lido::connect_config::from_dsn(std::string(input)); }
//
// and a line in CMakeLists.txt. In the preset `fuzz` it becomes a libFuzzer program of its own; in every other one its
// seeds, tests/fuzz/corpus/<name>/*, and what is made of them by cutting, repeating and flipping go through it as a
// test of fuzz_corpus_tests. The input lies at the end of a block of its own, so that ASan sees a read beyond it.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string_view>

namespace lido::fuzz {

using target_function = void (*)(std::string_view input);

// Made by LIDO_FUZZ_TARGET at namespace scope; they form a list.
struct target {
  target(const char* target_name, target_function function) noexcept;

  const char* name;
  target_function run;
  target* next;
};
target* first_target() noexcept;

// For what must hold whatever the input is; ends the program, also where assert() is off.
inline void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace lido::fuzz

#define LIDO_FUZZ_TARGET(name, input)                                      \
  static void fuzz_##name(std::string_view input);                         \
  static const lido::fuzz::target fuzz_target_##name{#name, &fuzz_##name}; \
  static void fuzz_##name([[maybe_unused]] std::string_view input)
