#include "driver/session/statement_class.hpp"

#include "driver/session/sql_lexer.hpp"

namespace lido::session {
namespace {

bool is(const token& t, std::string_view keyword) noexcept {
  return t.kind == token_kind::word && same_word(t.text, keyword);
}

bool is_in_front(const token& t) noexcept {
  return t.kind == token_kind::punctuation && (t.text == ";" || t.text == "(");
}

// After ROLLBACK: what goes back to a savepoint, or ends somebody's prepared transaction, leaves this one as it is.
statement_class classify_rollback(sql_lexer& rest) noexcept {
  token word = rest.next();
  if (is(word, "work") || is(word, "transaction")) word = rest.next();
  return is(word, "to") || is(word, "prepared") ? statement_class::other : statement_class::rollback;
}

}  // namespace

statement_class classify(std::string_view sql) noexcept {
  sql_lexer words(sql);
  token word = words.next();
  while (is_in_front(word)) word = words.next();
  if (is(word, "commit") || is(word, "end")) return statement_class::commit;
  if (is(word, "begin")) return statement_class::begin;
  if (is(word, "abort")) return statement_class::rollback;
  if (is(word, "rollback")) return classify_rollback(words);
  if (is(word, "start") && is(words.next(), "transaction")) return statement_class::begin;
  if (is(word, "prepare") && is(words.next(), "transaction")) return statement_class::commit;
  return statement_class::other;
}

}  // namespace lido::session
