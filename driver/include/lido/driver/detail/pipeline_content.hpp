// What a pipeline asks and what was answered: one block of memory for all of its questions, one for all answers. Owned
// by the operation and by whoever waits for it; written by the session alone until it has completed (contract I26).
#pragma once

#include <lido/driver/detail/raw_result.hpp>
#include <lido/driver/detail/request.hpp>
#include <lido/driver/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

// A text with the types of its parameters. Many items may run it.
struct pipeline_statement {
  request text;                     // without values
  const void* signature = nullptr;  // of the C++ types of its parameters
};

struct pipeline_item {
  std::uint32_t statement = 0;
  std::size_t values_end = 0;  // in `values`; they begin where those of the item before end
};

// What became of one item.
struct pipeline_answer {
  static constexpr std::uint32_t none = UINT32_MAX;

  std::size_t begin = 0;             // in `answered`: its DataRow messages, then the message with its tag
  std::uint32_t rows = 0;            // how many
  std::uint32_t description = none;  // of its columns
  std::uint32_t failure = none;      // it failed; then there is nothing at `begin`
};

struct pipeline_failure {
  std::error_code error;
  diagnostics diag;
};

struct pipeline_content {
  // the questions
  bool sync_each = false;
  bool commits = false;  // a COMMIT is among them
  std::size_t max_bytes = 0;
  std::vector<pipeline_statement> statements;
  std::vector<pipeline_item> items;
  std::string values;         // in the layout of Bind, one item behind the other
  std::size_t text_size = 0;  // of all statements
  type_uses uses;             // in `values`: numbers of named types that are to be looked up; see also each text's
  bool named = false;         // there are some

  // the answers
  std::string answered;  // messages as they came
  std::vector<pipeline_answer> answers;
  std::vector<std::shared_ptr<const row_description>> descriptions;
  std::vector<pipeline_failure> failures;
  std::uint32_t first_failure = pipeline_answer::none;
  bool closed = false;  // by a loss: whatever the error of the whole, what came before it may be read

  bool waits_for_numbers() const noexcept { return named; }
  // It is to be run once more.
  void forget_answers() noexcept {
    answered.clear();
    answers.clear();
    descriptions.clear();
    failures.clear();
    first_failure = pipeline_answer::none;
  }
  std::size_t bytes() const noexcept { return values.size() + text_size; }
  std::string_view values_of(std::size_t item) const noexcept {
    const std::size_t begin = item == 0 ? 0 : items[item - 1].values_end;
    return std::string_view(values).substr(begin, items[item].values_end - begin);
  }
  // Which statement this text is with such parameters, added when it is new; `text` makes it then.
  template <class Make>
  std::uint32_t statement_for(std::string_view sql, const void* signature, Make&& make) {
    if (!items.empty()) [[likely]] {
      const std::uint32_t last = items.back().statement;
      if (is(statements[last], sql, signature)) return last;
    }
    return other_statement(sql, signature, make);
  }

 private:
  static bool is(const pipeline_statement& known, std::string_view sql, const void* signature) noexcept {
    return known.signature == signature && known.text.sql() == sql;
  }
  template <class Make>
  std::uint32_t other_statement(std::string_view sql, const void* signature, Make& make) {
    for (std::size_t i = 0; i < statements.size(); ++i) {
      if (is(statements[i], sql, signature)) return static_cast<std::uint32_t>(i);
    }
    return add_statement(make(), signature);
  }
  std::uint32_t add_statement(request text, const void* signature);
};

// One row or tag of an answer, with the message's header in front of it.
struct pipeline_message {
  char type = 0;
  std::string_view body;
  std::size_t end = 0;  // where the next one begins
};
inline pipeline_message message_at(const std::string& answered, std::size_t begin) noexcept {
  const auto* const at = reinterpret_cast<const unsigned char*>(answered.data()) + begin;
  const std::size_t length = std::size_t{at[1]} << 24U | std::size_t{at[2]} << 16U | std::size_t{at[3]} << 8U | at[4];
  return {answered[begin], std::string_view(answered).substr(begin + 5, length - 4), begin + 1 + length};
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
