// From the words of a statement to what it may leave behind. Errs towards dirt: a statement that is taken for more than
// it is costs a round trip, one that is taken for less is a leak.
#include "driver/session/dirt.hpp"
#include "driver/session/sql_lexer.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace lido::session {
namespace {

using enum dirt;

struct entry {
  std::string_view name;
  dirt what;
};

constexpr dirt any_setting = guc | role | temp | timeouts;  // of unknown name: role and search_path are settings, too
constexpr dirt anything = unknown | timeouts;

// Functions of the server and of its usual extensions that change the session; of set_config() the arguments decide.
constexpr auto functions = std::to_array<entry>({
    {"connectby", anything},
    {"crosstab", anything},
    {"dblink_connect", lasting},
    {"dblink_connect_u", lasting},
    {"hypopg_create_index", lasting},
    {"hypopg_hide_index", lasting},
    {"nextval", sequence},
    {"pg_advisory_lock", advisory},
    {"pg_advisory_lock_shared", advisory},
    {"pg_backup_start", lasting},
    {"pg_copy_logical_replication_slot", lasting},
    {"pg_copy_physical_replication_slot", lasting},
    {"pg_create_logical_replication_slot", lasting},
    {"pg_create_physical_replication_slot", lasting},
    {"pg_replication_origin_session_setup", lasting},
    {"pg_start_backup", lasting},
    {"pg_temp", temp},
    {"pg_try_advisory_lock", advisory},
    {"pg_try_advisory_lock_shared", advisory},
    {"query_to_xml", anything},
    {"query_to_xml_and_xmlschema", anything},
    {"query_to_xmlschema", anything},
    {"set_limit", guc},
    {"setseed", lasting},
    {"setval", sequence},
    {"ts_rewrite", anything},
    {"ts_stat", anything},
    {"xpath_table", anything},
});

// First words. Those with none leave nothing but what their functions and INTO TEMP do; any other word is unknown.
constexpr auto commands = std::to_array<entry>({
    {"abort", rewinds},
    {"alter", none},
    {"analyse", none},
    {"analyze", none},
    {"begin", none},
    {"call", anything},
    {"checkpoint", none},
    {"close", none},
    {"cluster", none},
    {"comment", none},
    {"commit", none},
    {"copy", none},
    {"create", none},
    {"deallocate", forgets},
    {"declare", none},
    {"delete", none},
    {"discard", forgets | rewinds},
    {"do", anything},
    {"drop", none},
    {"end", none},
    {"execute", none},
    {"explain", none},
    {"fetch", none},
    {"grant", none},
    {"import", none},
    {"insert", none},
    {"listen", listen},
    {"load", lasting},
    {"lock", none},
    {"merge", none},
    {"move", none},
    {"notify", none},
    {"prepare", prepared},
    {"reassign", none},
    {"refresh", none},
    {"reindex", none},
    {"release", none},
    {"reset", guc | rewinds},
    {"return", none},
    {"revoke", none},
    {"rollback", rewinds},
    {"savepoint", none},
    {"security", none},
    {"select", none},
    {"set", guc},
    {"show", none},
    {"start", none},
    {"table", none},
    {"truncate", none},
    {"unlisten", none},
    {"update", none},
    {"vacuum", none},
    {"values", none},
    {"with", none},
});

constexpr bool in_order(std::span<const entry> table) {
  return std::is_sorted(table.begin(), table.end(), [](const entry& a, const entry& b) { return a.name < b.name; });
}
static_assert(in_order(functions) && in_order(commands));

dirt look_up(std::span<const entry> table, std::string_view word, dirt otherwise) noexcept {
  std::array<char, 48> folded{};
  if (word.size() > folded.size()) return otherwise;
  std::transform(word.begin(), word.end(), folded.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  const std::string_view key{folded.data(), word.size()};
  const auto* const found = std::lower_bound(table.data(), table.data() + table.size(), key,
                                             [](const entry& e, std::string_view name) { return e.name < name; });
  return found != table.data() + table.size() && found->name == key ? found->what : otherwise;
}

bool is_name(const token& t) noexcept { return t.kind == token_kind::word || t.kind == token_kind::quoted; }
bool is_word(const token& t, std::string_view lower_case) noexcept {
  return t.kind == token_kind::word && same_word(t.text, lower_case);
}
template <class... Word>
bool is_one_of(const token& t, Word... words) noexcept {
  return (is_word(t, words) || ...);
}
bool is_mark(const token& t, char c) noexcept { return t.kind == token_kind::punctuation && t.text.front() == c; }
bool is_string(const token& t) noexcept {
  return t.kind == token_kind::literal || t.kind == token_kind::escapes || t.kind == token_kind::escaped;
}

// What setting this one concerns, besides the settings themselves.
dirt of_setting(std::string_view name) noexcept {
  if (same_word(name, "role") || same_word(name, "session_authorization")) return role;
  if (same_word(name, "search_path")) return temp;  // with pg_temp in front, every new table is a temporary one
  if (same_word(name, "statement_timeout")) return timeouts;
  if (same_word(name, "seed")) return lasting;
  return none;
}

// set_config(name, value, is_local), as long as it is open. Nothing stays of one whose last argument is the word true;
// of one that cannot be followed to its end, anything may.
class setting_call {
 public:
  setting_call() = default;
  bool is_open() const noexcept { return stage_ != stage::none; }
  void begin() noexcept { *this = setting_call{stage::opening}; }
  // What is known once the call is over.
  dirt take(const token& t) noexcept {
    if (stage_ == stage::opening && !is_mark(t, '(')) return give_up();
    stage_ = stage::arguments;
    if (is_mark(t, '(')) ++depth_;
    if (depth_ == 1 && is_mark(t, ',')) ++commas_;
    if (is_mark(t, ')') && --depth_ == 0) return end();
    ++count_;
    if (count_ == 2) name_ = t;
    if (count_ == 3 && is_mark(t, ',')) named_ = name_.kind == token_kind::literal;
    before_ = last_;
    last_ = t;
    return none;
  }
  dirt give_up() noexcept {
    stage_ = stage::none;
    return any_setting;
  }

 private:
  enum class stage : std::uint8_t { none, opening, arguments };

  explicit setting_call(stage s) noexcept : stage_(s) {}
  dirt end() noexcept {
    stage_ = stage::none;
    const dirt what = named_ ? guc | of_setting(name_.text) : any_setting;
    const bool passes = commas_ == 2 && is_word(last_, "true") && is_mark(before_, ',');
    return passes ? (named_ ? what & timeouts : none) : what;
  }

  stage stage_ = stage::none;
  bool named_ = false;  // the first argument is a plain string
  unsigned depth_ = 0;
  unsigned commas_ = 0;
  unsigned count_ = 0;
  token name_;
  token before_;
  token last_;
};

// One statement of a text, token by token.
class reader {
 public:
  void take(const token& t) noexcept {
    if (heads_ < head_.size() && !(heads_ == 0 && is_mark(t, '('))) head_[heads_++] = t;
    if (call_.is_open()) found_ |= is_call(t) ? call_.give_up() : call_.take(t);
    if (is_name(t)) {
      found_ |= look_up(functions, t.text, none);
      if (t.text.starts_with("pg_temp_")) found_ |= temp;
      if (same_word(t.text, "pg_settings")) settings_ = true;
      if (is_call(t)) call_.begin();
    }
    if (t.kind == token_kind::word) keyword(t);
    if (t.kind == token_kind::escaped) found_ |= anything;  // nobody spells a name like this without need
    if (is_string(t) && is_word(head_[0], "do")) body(t.text);
    before_ = last_;
    last_ = t;
  }

  dirt finish() noexcept {
    if (heads_ == 0) return none;
    if (call_.is_open()) found_ |= call_.give_up();
    if (temporary_ > (dropped_ ? 1U : 0U)) found_ |= temp;
    if (settings_ && updates_) found_ |= any_setting;
    return found_ | command();
  }

 private:
  static bool is_call(const token& t) noexcept { return is_name(t) && same_word(t.text, "set_config"); }

  void keyword(const token& t) noexcept {
    if (is_one_of(t, "temp", "temporary") && makes_temporary()) ++temporary_;
    if (is_word(t, "hold") && is_word(last_, "with")) holds_ = true;
    if (is_word(t, "drop") && is_word(last_, "commit") && is_word(before_, "on")) dropped_ = true;
    if (is_word(t, "update")) updates_ = true;
  }
  // As CREATE and SELECT INTO have it, not a column or table of that name.
  bool makes_temporary() const noexcept {
    if (is_word(last_, "into")) return !is_one_of(before_, "insert", "merge");
    return is_one_of(last_, "create", "local", "global", "replace");
  }

  // The body of a DO: unknown in any case, and perhaps worse.
  void body(std::string_view text) noexcept {
    sql_lexer inside{text};
    for (token t = inside.next(); t.kind != token_kind::end; t = inside.next()) {
      if (is_name(t)) found_ |= look_up(functions, t.text, none) & lasting;
    }
  }

  dirt command() const noexcept {
    const token& first = head_[0];
    if (first.kind != token_kind::word) return anything;
    if (is_word(first, "set")) return of_set();
    if (is_word(first, "declare")) return holds_ ? cursor : none;
    if (is_word(first, "prepare") && is_word(head_[1], "transaction") && is_string(head_[2])) return none;
    dirt what = look_up(commands, first.text, anything);
    if (any(what & guc)) what |= of_names();
    return what;
  }

  // SET LOCAL, SET TRANSACTION and SET CONSTRAINTS end with their transaction, whatever becomes of it; but the word may
  // be the name of a setting.
  dirt of_set() const noexcept {
    const bool passes =
        is_one_of(head_[1], "local", "transaction", "constraints") && is_name(head_[2]) && !is_word(head_[2], "to");
    return passes ? of_names() & timeouts : guc | of_names();
  }
  dirt of_names() const noexcept {
    dirt what = none;
    for (const token& each : {head_[1], head_[2]}) {
      if (is_name(each)) what |= of_setting(each.text);
      if (is_word(each, "authorization")) what |= role;
      if (is_word(each, "schema")) what |= temp;
    }
    return what;
  }

  std::array<token, 3> head_{};
  std::size_t heads_ = 0;
  token before_;
  token last_;
  setting_call call_;
  dirt found_ = none;
  unsigned temporary_ = 0;  // CREATE TEMP and INTO TEMP
  bool dropped_ = false;    // ON COMMIT DROP
  bool holds_ = false;      // WITH HOLD
  bool updates_ = false;
  bool settings_ = false;  // pg_settings
};

}  // namespace

dirt dirt_of(std::string_view sql) noexcept {
  dirt all = none;
  sql_lexer lexer{sql};
  reader statement;
  std::size_t depth = 0;
  for (;;) {
    const token t = lexer.next();
    if (t.kind == token_kind::end) return all | statement.finish();
    if (is_mark(t, '(')) ++depth;
    if (is_mark(t, ')') && depth > 0) --depth;
    if (is_mark(t, ';') && depth == 0) {
      all |= statement.finish();
      statement = reader{};
    } else {
      statement.take(t);
    }
  }
}

}  // namespace lido::session
