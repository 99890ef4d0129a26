#include "driver/session/saslprep.hpp"

#include <string.h>  // explicit_bzero
#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

namespace lido::session {

secret saslprep(const secret& password) {
  const std::string_view given = password.reveal();
  const bool ascii =
      std::all_of(given.begin(), given.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii) return password;
  std::string text;
  text.reserve(given.size() + 1);
  text.append(given);
  char* prepared = nullptr;
  // PostgreSQL's tables, too, know what is not assigned in Unicode 3.2, and refuse it.
  const int failed = stringprep_profile(text.c_str(), &prepared, "SASLprep", STRINGPREP_NO_UNASSIGNED);
  ::explicit_bzero(text.data(), text.size());
  if (failed != STRINGPREP_OK || prepared == nullptr) return password;
  const std::size_t size = std::char_traits<char>::length(prepared);
  secret out = size == 0 ? password : secret(std::string_view(prepared, size));
  ::explicit_bzero(prepared, size);
  ::free(prepared);
  return out;
}

}  // namespace lido::session
