// Base64 as SCRAM needs it (RFC 5802 section 7, RFC 4648 section 4): strict, so that one value has one spelling.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lido::session {

std::string base64_encode(std::string_view bytes);
// nullopt for anything but the canonical form: wrong padding, white space, foreign characters, non-zero spare bits.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace lido::session
