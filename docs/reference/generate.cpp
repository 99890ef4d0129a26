// lido-reference FOLDER: writes configuration.md and lido.schema.json there.
#include "docs/reference/reference.hpp"

#include <fstream>
#include <iostream>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: lido-reference FOLDER\n";
    return 2;
  }
  const std::string folder = argv[1];
  std::ofstream page(folder + "/configuration.md");
  std::ofstream schema(folder + "/lido.schema.json");
  page << lido::reference::page();
  schema << lido::reference::schema();
  return page.flush() && schema.flush() ? 0 : 1;
}
