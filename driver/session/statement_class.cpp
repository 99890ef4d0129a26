#include "driver/session/statement_class.hpp"

#include <cstddef>

namespace lido::session {
namespace {

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr bool starts_with(std::string_view text, std::string_view prefix) noexcept {
  return text.substr(0, prefix.size()) == prefix;
}

// As the server's scan.l has it: a line comment ends at either line ending, block comments nest.
void skip_comment(std::string_view& text) noexcept {
  if (starts_with(text, "--")) {
    const std::size_t end = text.find_first_of("\r\n");
    text.remove_prefix(end == std::string_view::npos ? text.size() : end);
    return;
  }
  std::size_t depth = 0;
  do {
    const bool opens = starts_with(text, "/*");
    const bool closes = starts_with(text, "*/");
    if (opens) ++depth;
    if (closes) --depth;
    text.remove_prefix(opens || closes ? 2 : 1);
  } while (depth > 0 && !text.empty());
}

void skip_blank(std::string_view& text, std::string_view also) noexcept {
  constexpr std::string_view space = " \t\n\r\f\v";
  while (!text.empty()) {
    if (starts_with(text, "--") || starts_with(text, "/*")) {
      skip_comment(text);
    } else if (space.find(text.front()) != std::string_view::npos ||
               also.find(text.front()) != std::string_view::npos) {
      text.remove_prefix(1);
    } else {
      return;
    }
  }
}

// Bytes of an identifier or keyword: letters, digits, _, $ and anything beyond ASCII.
constexpr bool is_word(char c) noexcept {
  const char l = lower(c);
  return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::string_view take_word(std::string_view& text) noexcept {
  std::size_t size = 0;
  while (size < text.size() && is_word(text[size])) ++size;
  const std::string_view word = text.substr(0, size);
  text.remove_prefix(size);
  return word;
}

bool is(std::string_view word, std::string_view keyword) noexcept {
  if (word.size() != keyword.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (lower(word[i]) != keyword[i]) return false;
  }
  return true;
}

std::string_view next_word(std::string_view& text) noexcept {
  skip_blank(text, {});
  return take_word(text);
}

// After ROLLBACK: what goes back to a savepoint, or ends somebody's prepared transaction, leaves this one as it is.
statement_class classify_rollback(std::string_view rest) noexcept {
  std::string_view word = next_word(rest);
  if (is(word, "work") || is(word, "transaction")) word = next_word(rest);
  return is(word, "to") || is(word, "prepared") ? statement_class::other : statement_class::rollback;
}

}  // namespace

statement_class classify(std::string_view sql) noexcept {
  skip_blank(sql, ";(");
  const std::string_view word = take_word(sql);
  if (is(word, "commit") || is(word, "end")) return statement_class::commit;
  if (is(word, "begin")) return statement_class::begin;
  if (is(word, "abort")) return statement_class::rollback;
  if (is(word, "rollback")) return classify_rollback(sql);
  if (is(word, "start") && is(next_word(sql), "transaction")) return statement_class::begin;
  if (is(word, "prepare") && is(next_word(sql), "transaction")) return statement_class::commit;
  return statement_class::other;
}

}  // namespace lido::session
