#include <lido/driver/description.hpp>

#include <cstring>

namespace lido {
inline namespace v0 {
namespace detail {

// The session leaves the types of the parameters where rows would be.
statement_description description_of(op_outcome& out) {
  statement_description seen;
  const auto raw = first_result(out);
  if (!raw) return seen;
  if (raw->columns) seen.columns = *raw->columns;
  seen.parameters.resize(raw->bytes.size() / sizeof(std::uint32_t));
  if (!seen.parameters.empty()) std::memcpy(seen.parameters.data(), raw->bytes.data(), raw->bytes.size());
  return seen;
}

asio::awaitable<statement_description> co_describe(session_handle on, op_plan plan, request statement) {
  run_in<statement_description> asked(on, plan, statement);
  co_await asked.run();
  if (asked.out.error) throw_outcome(asked.out);
  co_return description_of(asked.out);
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
