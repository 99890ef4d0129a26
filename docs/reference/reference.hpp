// The reference page and the JSON schema, made from the table of knobs that the parser uses.
#pragma once

#include <string>

namespace lido::reference {

std::string page();
std::string schema();

}  // namespace lido::reference
