// Every bound on what a peer may make us read or keep, in one place (reliability S10). Beyond each: the connection is
// closed with errc::protocol_error or errc::message_too_large, before anything is allocated for it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lido::wire {

struct limits {
  std::size_t max_message_bytes = 64U << 20;  // knob max_message_bytes: any message after start-up
};

inline constexpr std::size_t max_auth_message =
    2000;  // 'R' and others before AuthenticationOk (PostgreSQL's own client does the same)
inline constexpr std::size_t max_startup_error = 30000;  // 'E' before authentication
inline constexpr std::size_t max_short_message = 30000;  // messages that are short by nature: C Z I 1 2 3 n s S K ...
inline constexpr std::size_t max_outgoing_message = 0x3fffffff;  // the server's MaxAllocSize - 1 (C14)
inline constexpr std::size_t max_columns = 1664;
inline constexpr std::size_t max_parameters = 65535;
inline constexpr std::size_t max_server_parameters = 256;  // names in ParameterStatus
inline constexpr std::size_t max_server_parameter_bytes = 64U << 10;
inline constexpr std::size_t max_diagnostic_bytes = 64U << 10;  // kept of one ErrorResponse or NoticeResponse
inline constexpr std::uint32_t min_scram_iterations = 4096;
inline constexpr std::uint32_t max_scram_iterations = 100000;  // default of the knob scram_max_iterations
inline constexpr std::size_t max_cancel_key = 256;

}  // namespace lido::wire
