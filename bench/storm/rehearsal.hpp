// Before the storm: is there a server, and can what the statements answer be judged at all?
#pragma once

#include "bench/storm/storm_engine.hpp"

#include <lido/driver/result.hpp>
#include <lido/pool/config.hpp>

#include <asio/any_io_executor.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

namespace lido::storm {

/// A statement whose answers would say nothing about Lido; what() says why.
class bad_statement : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Whether the statement takes a number by which its result is known.
[[nodiscard]] bool wants_nonce(const std::string& sql);
/// Contract I3: no result but one's own. Without a nonce there is nothing to compare. Throws lido::error when the only
/// value is no bigint.
[[nodiscard]] bool is_own(const result<>& rows, std::optional<std::int64_t> nonce);

/// Runs each statement that the load will use once, over a pool of its own: what is counted later is the storm's alone.
/// Throws lido::error when there is no connection, bad_statement. One that does not end in a few seconds is cancelled
/// and let pass. Not on a thread of the executor.
void rehearse(const asio::any_io_executor& executor, pool_config config, const load_settings& load);

}  // namespace lido::storm
