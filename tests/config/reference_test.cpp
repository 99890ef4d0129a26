// The committed reference is what the table of knobs says today.
#include "docs/reference/reference.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace {

std::string committed(const std::string& name) {
  std::ifstream file(std::string(LIDO_SOURCE_DIR) + "/docs/reference/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr auto how = "the table of knobs has changed: ninja -C build/dev reference, and commit docs/reference";

TEST(reference, the_page_is_generated_from_the_table) {
  EXPECT_TRUE(committed("configuration.md") == lido::reference::page()) << how;
}

TEST(reference, the_schema_is_generated_from_the_table) {
  EXPECT_TRUE(committed("lido.schema.json") == lido::reference::schema()) << how;
}

}  // namespace
