#include "tests/fuzz/target.hpp"

#include <lido/driver/detail/libpq_files.hpp>

LIDO_FUZZ_TARGET(password_file, input) {
  const lido::password_request whom{"db", 5432, "app", "base"};
  const auto found = lido::detail::password_in(input, whom);
  if (found) lido::fuzz::require(found->reveal().size() <= input.size());
  // With a line in front that fits, that is the one.
  const std::string file = "db:5432:base:app:first\n" + std::string(input);
  const auto first = lido::detail::password_in(file, whom);
  lido::fuzz::require(first && first->reveal() == "first");
}
