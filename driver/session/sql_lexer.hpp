// PostgreSQL's lexical rules (its scan.l), as far as it takes to tell a word of a statement from what only looks like
// one: comments, strings in all their spellings, quoted names. Where the server's versions differ, more is taken for
// words, never less. Assumes standard_conforming_strings and an encoding in which ASCII means itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lido::session {

enum class token_kind : std::uint8_t {
  end,
  word,         // keyword or name, as written: not folded
  quoted,       // "name"; text is what stands between the quotes
  escaped,      // U&"name" and U&'text': what it says is not what it spells
  literal,      // '...' or $$...$$: text is what it says, but for doubled quotes
  escapes,      // E'...': may hold backslashes
  punctuation,  // one byte of anything else
};

struct token {
  token_kind kind = token_kind::end;
  std::string_view text;
};

class sql_lexer {
 public:
  explicit sql_lexer(std::string_view sql) noexcept : rest_(sql) {}
  token next() noexcept;

 private:
  token take(token_kind kind, std::size_t from, std::size_t end, std::size_t used) noexcept;
  token word() noexcept;
  token string(std::size_t prefix, token_kind kind) noexcept;
  token escape_string(std::size_t prefix) noexcept;
  token quoted_name(std::size_t prefix, token_kind kind) noexcept;
  token dollar() noexcept;

  std::string_view rest_;
};

// Case is folded as the server folds it, in ASCII alone; `lower_case` is in lower case already.
bool same_word(std::string_view word, std::string_view lower_case) noexcept;

// Takes white space and comments, nested ones too, off the front.
void skip_blank(std::string_view& text) noexcept;

}  // namespace lido::session
