// What became of a COMMIT without an answer (I15): the two statements that find out, and what their rows prove.
// Sans-io.
#pragma once

#include <lido/driver/commit_status.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace lido::session {

// Behind BEGIN in the same message: the name of the transaction, as one row of four numbers. It gives the transaction
// its xid now, which one that only reads would never have had. No row on a standby: nothing can be committed there.
std::string naming_statement();

// NULL is nullopt.
using text_fields = std::array<std::optional<std::string_view>, 4>;
std::optional<transaction_id> name_in(const text_fields& row) noexcept;

// For another connection, outside of a transaction: one row of the status, and the server's own three numbers.
std::string question_about(const transaction_id& which);
// Without a row: nullptr. The server's word about an xid counts only where that xid can be nobody else's. A status of
// `committed` may be a namesake's when the server has crashed since; that it is not committed holds even then.
commit_status verdict_on(const transaction_id& which, const text_fields* row) noexcept;
// The question's only error of its own: the server has never given this xid. It did, and a crash took that from it.
bool proves_abort(std::string_view sqlstate) noexcept;

}  // namespace lido::session
