// The binary forms of tsvector and tsquery as the text that PostgreSQL prints for them.
#pragma once

#include <lido/driver/value.hpp>

#include <string>

namespace lido::types {

bool tsvector_text(value_reader& in, std::string& out);
bool tsquery_text(value_reader& in, std::string& out);

}  // namespace lido::types
