// SASLprep (RFC 4013), as PostgreSQL applies it to passwords: what is plain ASCII, not UTF-8, or prohibited goes in as
// its bytes are. So a password that the server has stored is found again whatever form it was typed in.
#pragma once

#include <lido/driver/secret.hpp>

namespace lido::session {

secret saslprep(const secret& password);

}  // namespace lido::session
