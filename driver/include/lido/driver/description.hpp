// What a statement asks for and what it gives, without running it: async_describe() in <lido/driver/statements.hpp>.
#pragma once

#include <lido/driver/detail/initiate.hpp>
#include <lido/driver/result.hpp>

#include <asio/awaitable.hpp>

#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

namespace lido {
inline namespace v0 {

/// A statement as the server understands it. lido::type_name() has the names of the built-in types.
struct statement_description {
  std::vector<std::uint32_t> parameters;  ///< oids of the types of $1, $2, ...
  std::vector<column> columns;            ///< of its rows; empty for a statement without rows
};

namespace detail {

statement_description description_of(op_outcome& out);
asio::awaitable<statement_description> co_describe(session_handle on, op_plan plan, request statement);

struct finish_describe {
  template <class Handler>
  void operator()(Handler&& handler, op_outcome& out, diagnostics* diag) const {
    report(out, diag);
    const std::error_code ec = out.error;
    std::forward<Handler>(handler)(ec, ec ? statement_description{} : description_of(out));
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace lido
