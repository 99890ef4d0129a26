// ErrorResponse and NoticeResponse, up to the line that a person reads.
#include "driver/wire/backend.hpp"
#include "driver/wire/limits.hpp"
#include "tests/fuzz/target.hpp"

#include <lido/driver/error.hpp>

#include <algorithm>

LIDO_FUZZ_TARGET(diagnostics, input) {
  auto diag = lido::wire::parse_diagnostics(input);
  if (!diag) return;
  const std::size_t kept =
      diag->message.size() + diag->detail.size() + diag->hint.size() + diag->where.size() + diag->internal_query.size();
  lido::fuzz::require(kept <= lido::wire::max_diagnostic_bytes && diag->sqlstate.size() == 5);
  const lido::error error(lido::make_sqlstate(diag->sqlstate), *diag);
  const std::string_view line = error.what();
  lido::fuzz::require(line.size() < 20'000);
  lido::fuzz::require(std::none_of(line.begin(), line.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 0x20 || u == 0x7f;
  }));
}
