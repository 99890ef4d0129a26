// What a statement's text does to a transaction, by its first keyword: enough to know that a COMMIT is under way, which
// is never sent a CancelRequest (I15).
#pragma once

#include <cstdint>
#include <string_view>

namespace lido::session {

enum class statement_class : std::uint8_t {
  other,
  begin,     // BEGIN, START TRANSACTION
  commit,    // COMMIT, END, PREPARE TRANSACTION, COMMIT PREPARED: lost while unanswered, its outcome is unknown
  rollback,  // ROLLBACK, ABORT; not ROLLBACK TO and not ROLLBACK PREPARED
};

// Looks past white space, comments (nested ones too), `;` and `(`. Reads no further than the words it needs; allocates
// nothing.
statement_class classify(std::string_view sql) noexcept;

}  // namespace lido::session
