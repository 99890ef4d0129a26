#include "driver/session/sql_lexer.hpp"

#include <algorithm>

namespace lido::session {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

constexpr bool begins_word(char c) noexcept {
  const char l = lower(c);
  return (l >= 'a' && l <= 'z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

constexpr bool is_word(char c) noexcept { return begins_word(c) || is_digit(c) || c == '$'; }

void skip_comment(std::string_view& text) noexcept {
  if (text.starts_with("--")) {
    text.remove_prefix(std::min(text.find_first_of("\r\n"), text.size()));
    return;
  }
  std::size_t depth = 0;
  do {
    const bool opens = text.starts_with("/*");
    const bool closes = text.starts_with("*/");
    if (opens) ++depth;
    if (closes) --depth;
    text.remove_prefix(opens || closes ? 2 : 1);
  } while (depth > 0 && !text.empty());
}

// Where the text ends that begins at `from`: its quote, doubled ones passed over.
std::size_t closing_quote(std::string_view text, std::size_t from, char quote) noexcept {
  for (;;) {
    const std::size_t end = text.find(quote, from);
    if (end == std::string_view::npos) return text.size();
    if (end + 1 == text.size() || text[end + 1] != quote) return end;
    from = end + 2;
  }
}

std::size_t closing_quote_with_escapes(std::string_view text, std::size_t from) noexcept {
  while (from < text.size()) {
    if (text[from] == '\\') {
      from += 2;
    } else if (text[from] != '\'') {
      ++from;
    } else if (from + 1 < text.size() && text[from + 1] == '\'') {
      from += 2;
    } else {
      return from;
    }
  }
  return text.size();
}

}  // namespace

bool same_word(std::string_view word, std::string_view lower_case) noexcept {
  return std::equal(word.begin(), word.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return lower(a) == b; });
}

void skip_blank(std::string_view& text) noexcept {
  constexpr std::string_view space = " \t\n\r\f\v";
  while (!text.empty()) {
    if (text.starts_with("--") || text.starts_with("/*")) {
      skip_comment(text);
    } else if (space.find(text.front()) != std::string_view::npos) {
      text.remove_prefix(1);
    } else {
      return;
    }
  }
}

token sql_lexer::next() noexcept {
  session::skip_blank(rest_);
  while (!rest_.empty() && is_digit(rest_.front())) {  // nobody asks for numbers; "1union" is one and a word to some
    rest_.remove_prefix(1);
    session::skip_blank(rest_);
  }
  if (rest_.empty()) return {};
  const char c = rest_.front();
  if (c == '\'') return string(0, token_kind::literal);
  if (c == '"') return quoted_name(0, token_kind::quoted);
  if (c == '$') return dollar();
  if (begins_word(c)) return word();
  return take(token_kind::punctuation, 0, 1, 1);
}

token sql_lexer::take(token_kind kind, std::size_t from, std::size_t end, std::size_t used) noexcept {
  const token taken{kind, rest_.substr(from, end - from)};
  rest_.remove_prefix(std::min(used, rest_.size()));
  return taken;
}

token sql_lexer::word() noexcept {
  const char first = lower(rest_.front());
  const char second = rest_.size() > 1 ? rest_[1] : '\0';
  if (second == '\'') {
    if (first == 'e') return escape_string(1);
    if (first == 'n' || first == 'b' || first == 'x') return string(1, token_kind::literal);
  }
  if (first == 'u' && second == '&' && rest_.size() > 2) {
    if (rest_[2] == '\'') return string(2, token_kind::escaped);
    if (rest_[2] == '"') return quoted_name(2, token_kind::escaped);
  }
  std::size_t size = 1;
  while (size < rest_.size() && is_word(rest_[size])) ++size;
  return take(token_kind::word, 0, size, size);
}

token sql_lexer::string(std::size_t prefix, token_kind kind) noexcept {
  const std::size_t end = closing_quote(rest_, prefix + 1, '\'');
  return take(kind, prefix + 1, end, end + 1);
}

// One that goes on behind a line break is still the same one, with its backslashes.
token sql_lexer::escape_string(std::size_t prefix) noexcept {
  const std::size_t end = closing_quote_with_escapes(rest_, prefix + 1);
  const token first = take(token_kind::escapes, prefix + 1, end, end + 1);
  for (;;) {
    std::string_view ahead = rest_;
    session::skip_blank(ahead);
    if (ahead.empty() || ahead.front() != '\'') return first;
    rest_ = ahead;
    rest_.remove_prefix(std::min(closing_quote_with_escapes(rest_, 1) + 1, rest_.size()));
  }
}

token sql_lexer::quoted_name(std::size_t prefix, token_kind kind) noexcept {
  const std::size_t end = closing_quote(rest_, prefix + 1, '"');
  return take(kind, prefix + 1, end, end + 1);
}

// $1, or $tag$ ... $tag$, or a stray byte.
token sql_lexer::dollar() noexcept {
  std::size_t tag = 1;
  if (tag < rest_.size() && begins_word(rest_[tag])) {
    while (tag < rest_.size() && is_word(rest_[tag]) && rest_[tag] != '$') ++tag;
  }
  if (tag >= rest_.size() || rest_[tag] != '$') return take(token_kind::punctuation, 0, 1, 1);
  const std::string_view delimiter = rest_.substr(0, tag + 1);
  const std::size_t end = std::min(rest_.find(delimiter, delimiter.size()), rest_.size());
  return take(token_kind::literal, delimiter.size(), end, end + delimiter.size());
}

}  // namespace lido::session
