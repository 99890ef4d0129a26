#include "driver/types/text_search.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lido::types {
namespace {

constexpr std::string_view weights = "DCBA";  // by number; D is not printed

// Up to the NUL that ends it.
bool take_lexeme(value_reader& in, std::string_view& out) noexcept {
  value_reader ahead = in;
  const std::size_t end = ahead.take_all().find('\0');
  if (end == std::string_view::npos) return false;
  out = in.take_bytes(end);
  in.take<char>();
  return true;
}

void append_quoted(std::string_view lexeme, std::string& out) {
  out += '\'';
  for (const char c : lexeme) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  out += '\'';
}

// ---- tsquery: operators in prefix order, each followed by its operands, the right one first ----

enum class item_type : std::uint8_t { value = 1, operation = 2 };
enum class operation : std::uint8_t { negation = 1, conjunction = 2, disjunction = 3, phrase = 4 };

int priority_of(operation which) noexcept {
  switch (which) {
    case operation::negation: return 4;
    case operation::phrase: return 3;
    case operation::conjunction: return 2;
    case operation::disjunction: return 1;
  }
  return 0;
}

struct item {
  item_type type{};
  operation op{};
  std::int16_t distance = 0;
  std::uint8_t weight = 0;
  bool prefix = false;
  std::string_view lexeme;
  std::size_t right = 0;  // index of the right (or only) operand; the left one is `left`
  std::size_t left = 0;
};

bool take_item(value_reader& in, item& out) noexcept {
  out.type = static_cast<item_type>(in.take<std::uint8_t>());
  if (out.type == item_type::value) {
    out.weight = in.take<std::uint8_t>();
    const auto prefix = in.take<std::uint8_t>();
    out.prefix = prefix == 1;
    return out.weight < 16 && prefix <= 1 && take_lexeme(in, out.lexeme);
  }
  if (out.type != item_type::operation) return false;
  const auto op = in.take<std::uint8_t>();
  if (op < 1 || op > 4) return false;
  out.op = static_cast<operation>(op);
  if (out.op == operation::phrase) out.distance = in.take<std::int16_t>();
  return out.distance >= 0;
}

// Who is whose operand, from the back, where operands lie before their operator; false unless it is one tree.
bool link(std::vector<item>& items) {
  std::vector<std::size_t> open;
  for (std::size_t i = items.size(); i-- > 0;) {
    item& each = items[i];
    if (each.type == item_type::operation) {
      const std::size_t operands = each.op == operation::negation ? 1 : 2;
      if (open.size() < operands) return false;
      each.right = open.back();
      open.pop_back();
      if (operands == 2) {
        each.left = open.back();
        open.pop_back();
      }
    }
    open.push_back(i);
  }
  return open.size() == 1;
}

void append_value(const item& value, std::string& out) {
  append_quoted(value.lexeme, out);
  if (value.weight == 0 && !value.prefix) return;
  out += ':';
  if (value.prefix) out += '*';
  for (int bit = 3; bit >= 0; --bit) {
    if ((value.weight >> bit & 1) != 0) out += weights[static_cast<std::size_t>(bit)];
  }
}

void append_operator(const item& which, std::string& out) {
  switch (which.op) {
    case operation::conjunction: out += " & "; break;
    case operation::disjunction: out += " | "; break;
    case operation::phrase: out += which.distance == 1 ? " <-> " : " <" + std::to_string(which.distance) + "> "; break;
    case operation::negation: break;
  }
}

// As the server's infix(): a stack of its own, since the peer decides how deep the tree is.
void append_infix(const std::vector<item>& items, std::string& out) {
  struct step {
    enum class kind : std::uint8_t { visit, print_operator, close } what;
    std::size_t at;
    int parent;
    bool right_of_phrase;
  };
  std::vector<step> todo{{step::kind::visit, 0, -1, false}};
  while (!todo.empty()) {
    const step now = todo.back();
    todo.pop_back();
    const item& each = items[now.at];
    if (now.what == step::kind::close) {
      out += " )";
    } else if (now.what == step::kind::print_operator) {
      append_operator(each, out);
    } else if (each.type == item_type::value) {
      append_value(each, out);
    } else {
      const int priority = priority_of(each.op);
      const bool brackets = priority < now.parent || (each.op == operation::phrase && now.right_of_phrase);
      if (brackets) {
        out += "( ";
        todo.push_back({step::kind::close, now.at, 0, false});
      }
      if (each.op == operation::negation) {
        out += '!';
        todo.push_back({step::kind::visit, each.right, priority, false});
      } else {
        todo.push_back({step::kind::visit, each.right, priority, each.op == operation::phrase});
        todo.push_back({step::kind::print_operator, now.at, 0, false});
        todo.push_back({step::kind::visit, each.left, priority, false});
      }
    }
  }
}

}  // namespace

bool tsvector_text(value_reader& in, std::string& out) {
  constexpr std::size_t min_lexeme = 3;  // its NUL and the number of its positions
  out.clear();
  const auto count = in.take<std::int32_t>();
  if (count < 0 || static_cast<std::size_t>(count) > in.remaining() / min_lexeme) return false;
  for (std::int32_t i = 0; i < count; ++i) {
    std::string_view lexeme;
    if (!take_lexeme(in, lexeme)) return false;
    if (i > 0) out += ' ';
    append_quoted(lexeme, out);
    const auto positions = in.take<std::uint16_t>();
    if (positions > in.remaining() / sizeof(std::uint16_t)) return false;
    for (std::uint16_t p = 0; p < positions; ++p) {
      const auto entry = in.take<std::uint16_t>();
      out += p == 0 ? ':' : ',';
      out += std::to_string(entry & 0x3fff);
      if (entry >> 14 != 0) out += weights[entry >> 14];
    }
  }
  return in.complete();
}

bool tsquery_text(value_reader& in, std::string& out) {
  constexpr std::size_t min_item = 2;
  out.clear();
  const auto count = in.take<std::int32_t>();
  if (count < 0 || static_cast<std::size_t>(count) > in.remaining() / min_item) return false;
  if (count == 0) return in.complete();
  std::vector<item> items(static_cast<std::size_t>(count));
  for (item& each : items) {
    if (!take_item(in, each)) return false;
  }
  if (!in.complete() || !link(items)) return false;
  append_infix(items, out);
  return true;
}

}  // namespace lido::types
