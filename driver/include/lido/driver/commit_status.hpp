// What became of a transaction whose COMMIT was not answered (contract I15): its name, taken at BEGIN, and what another
// connection to the same server is told about it.
//
//   const lido::transaction_options mode{.resolvable = true};
//   lido::transaction tx = co_await db->async_begin(mode);
//   const auto id = tx.id();
//   ...                                                     // COMMIT ends with errc::outcome_unknown
//   if (id && co_await pool.async_commit_status(*id) == lido::commit_status::committed) ...
#pragma once

#include <cstdint>
#include <string_view>

namespace lido {
inline namespace v0 {

/// One transaction of one server. Plain numbers: it may be kept, logged, and asked about from another process.
struct transaction_id {
  std::uint64_t xid = 0;     ///< pg_current_xact_id()
  std::uint64_t system = 0;  ///< the cluster's system identifier
  std::uint32_t timeline =
      0;                 ///< of its history; a promotion begins another one, in which the xid may be somebody else's
  std::int64_t era = 0;  ///< when the server's statistics began: anew behind a crash, which may give an xid twice

  friend bool operator==(const transaction_id&, const transaction_id&) = default;
};

enum class commit_status : std::uint8_t {
  committed,
  aborted,
  in_progress,  ///< not ended yet: its COMMIT is still on the way to the server, or at work there
  unknown,      ///< nobody can say any more: too long ago, a promotion or a crash in between, another server, a standby
};
[[nodiscard]] std::string_view to_string(commit_status s) noexcept;

}  // namespace v0
}  // namespace lido
