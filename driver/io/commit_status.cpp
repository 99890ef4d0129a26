// What became of a COMMIT without an answer: the connection's part, which asks what session/commit_evidence says.
#include "driver/session/commit_evidence.hpp"

#include <lido/driver/transaction.hpp>

#include <vector>

namespace lido {
inline namespace v0 {
namespace {

std::optional<session::text_fields> only_row_of(const result<>& rows) {
  if (rows.size() != 1 || rows.columns().size() != session::text_fields{}.size()) return std::nullopt;
  session::text_fields fields;
  const row only = rows[0];
  for (std::size_t i = 0; i < fields.size(); ++i) fields[i] = only.get<std::optional<std::string_view>>(i);
  return fields;
}

}  // namespace

std::optional<transaction_id> detail::name_in(op_outcome& out) try {
  auto all = out.results.take_all();
  if (all.size() < 2) return std::nullopt;
  result<> rows(std::move(all.back()));
  lazy_diagnostics ignored;
  if (rows.bind(ignored)) return std::nullopt;
  const auto fields = only_row_of(rows);
  return fields ? session::name_in(*fields) : std::nullopt;
} catch (const std::exception&) {
  return std::nullopt;  // a server of another kind: its transactions have no name that would help
}

void detail::undo_begin(const session_handle& on, op_outcome& out) noexcept {
  if (!on.session || out.results.empty()) return;
  const auto first = out.results.take_first();
  if (first->tag == "BEGIN") on.session->roll_back_later(on.tenure);
}

namespace {

asio::awaitable<commit_status> co_ask(detail::session_handle on, transaction_id which, op_options options) {
  detail::request statement(session::question_about(which));
  const detail::op_plan plan{detail::op_kind::simple, false, options};
  detail::run_in<commit_status> query(on, plan, statement);
  co_await query.run();
  if (query.out.error) {
    if (session::proves_abort(sqlstate_of(query.out.error))) co_return commit_status::aborted;
    detail::throw_outcome(query.out);
  }
  std::error_code ec;
  detail::lazy_diagnostics why;
  const auto results = detail::all_results(query.out, ec, why);
  if (ec) throw error(ec, detail::said_in(why));
  if (results.size() != 1) co_return commit_status::unknown;
  const auto fields = only_row_of(results.front());
  co_return session::verdict_on(which, fields ? &*fields : nullptr);
}

}  // namespace

asio::awaitable<commit_status> connection::async_commit_status(transaction_id which, op_options options) {
  return co_ask(handle_, which, options);
}

}  // namespace v0
}  // namespace lido
