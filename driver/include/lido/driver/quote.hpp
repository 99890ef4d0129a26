// Names and texts as parts of a statement's text, for where a parameter cannot stand: LISTEN, SET ROLE, the name of a
// table that is chosen at run time. Everything else belongs into a parameter ($1), which needs no quoting at all.
//
//   co_await db->async_simple_query("set role " + lido::quote_identifier(role));
//
// What goes in is judged, not trusted: all of its length is quoted, and what is no UTF-8 or holds a NUL is refused
// (CVE-2025-1094). The session must be as Lido opens it, with client_encoding UTF8; standard_conforming_strings may be
// on or off.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace lido {
inline namespace v0 {

/// "name", with its quotes doubled: case counts, key words are names. The server cuts names behind 63 bytes and refuses
/// empty ones. Throws lido::error (errc::not_encodable) when it is no UTF-8 or holds a NUL.
[[nodiscard]] std::string quote_identifier(std::string_view name);
/// The same; with an error the answer is empty.
[[nodiscard]] std::string quote_identifier(std::string_view name, std::error_code& ec);

/// 'text', with its quotes doubled; with a backslash in it ` E'text'`, with those doubled, too, and a blank in front,
/// so that it does not become part of a word. Errors as quote_identifier's.
[[nodiscard]] std::string quote_literal(std::string_view text);
/// The same; with an error the answer is empty.
[[nodiscard]] std::string quote_literal(std::string_view text, std::error_code& ec);

}  // namespace v0
}  // namespace lido
