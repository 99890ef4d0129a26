// Where a statement stands: on a session as it is, in a transaction, in one of its savepoints. What may be asked there
// is judged before anything is sent.
#pragma once

#include <lido/driver/detail/request.hpp>
#include <lido/driver/error.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

// A connection or a lease: whoever has it may ask.
struct unscoped {
  static request&& guard(request&& statement) noexcept { return std::move(statement); }
};

// The open savepoints of one transaction, the innermost last, each by a number that is given once.
struct scope_ladder {
  std::vector<std::uint32_t> open;
  std::uint32_t made = 0;
  bool over = false;  // the transaction has ended
};

// The transaction itself (number 0) or one of its savepoints.
struct scope {
  std::shared_ptr<scope_ladder> ladder;  // null: no savepoint was ever made
  std::uint32_t number = 0;

  bool innermost() const noexcept {
    if (!ladder) return true;
    return !ladder->over && (ladder->open.empty() ? 0 : ladder->open.back()) == number;
  }
  bool is_open() const noexcept {
    return ladder && !ladder->over && std::ranges::find(ladder->open, number) != ladder->open.end();
  }
  // A query, a pipeline, a stream or a COPY: refused by the session before anything is sent when another scope is to be
  // used.
  request guard(request statement) const {
    if (!innermost()) statement.fail(errc::wrong_scope);
    return statement;
  }
  // With all that are inside of it.
  void end() const noexcept {
    if (!ladder) return;
    ladder->over = ladder->over || number == 0;
    ladder->open.erase(std::ranges::find(ladder->open, number), ladder->open.end());
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
