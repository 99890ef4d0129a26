// The one statement of a control session, and what its answer says.
#pragma once

#include "pool/recovery/control_channel.hpp"

#include <lido/driver/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace lido::inline v0::recovery {

extern const std::string_view control_statement;

// Its parameters: array literals, one element a row.
struct control_arguments {
  std::string pids;
  std::string started;  // NULL: to be read
  std::string addresses;
  std::string ports;
  std::string kills;
};
control_arguments arguments_of(const std::vector<control_channel::row>& rows);

// n, backend_start or NULL, signalled or NULL, pg_backend_pid(), pg_postmaster_start_time()
using control_row =
    std::tuple<std::int64_t, std::optional<std::int64_t>, std::optional<bool>, std::int32_t, std::int64_t>;
// With as many rows as it got, whatever was asked: the channel compares.
control_channel::reply reply_of(const result<control_row>& answer, std::size_t asked);

}  // namespace lido::inline v0::recovery
