// Frontend messages, appended to a buffer. Callers have checked lengths and NULs (request, startup_params); lengths are
// asserted here (C14).
#pragma once

#include <lido/driver/detail/request.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace lido::wire {

void append_ssl_request(std::string& out);
inline constexpr std::uint32_t protocol_3_0 = 3U << 16;
inline constexpr std::uint32_t protocol_3_2 = protocol_3_0 + 2;
void append_startup(std::string& out, std::span<const std::pair<std::string_view, std::string_view>> parameters,
                    std::uint32_t version = protocol_3_0);
void append_password(std::string& out, std::string_view password);  // 'p', with NUL
void append_sasl_initial(std::string& out, std::string_view mechanism, std::string_view data);
void append_sasl_response(std::string& out, std::string_view data);
void append_query(std::string& out, std::string_view sql);  // 'Q'
void append_parse(std::string& out, std::string_view name,
                  const detail::request& statement);  // 'P' with the request's sql and types
void append_bind(std::string& out, std::string_view statement_name,
                 const detail::request& arguments);                       // 'B', unnamed portal, all results binary
void append_describe_statement(std::string& out, std::string_view name);  // 'D' 'S'
void append_describe_portal(std::string& out);                            // 'D' 'P' unnamed
// Bind, Execute and Sync at once: what a query sends nearly every time.
[[gnu::hot]] void append_run(std::string& out, std::string_view statement_name, const detail::request& arguments);
// The same for many: what stands in their Bind between its length and the values.
std::string bind_front(std::string_view statement_name, const detail::request& types);
void append_execute(std::string& out);                                 // 'E', unnamed portal, no row limit
void append_execute_some(std::string& out, std::uint32_t most_rows);   // same with one; 0: none
void append_flush(std::string& out);                                   // 'H': answer what was sent so far
void append_close_statement(std::string& out, std::string_view name);  // 'C' 'S'
void append_sync(std::string& out);
void append_copy_done(std::string& out);
void append_copy_fail(std::string& out, std::string_view reason);
void append_terminate(std::string& out);
// CancelRequest: int32 length, int32 80877102, process id, key (contract I6: 4..256 bytes).
void append_cancel_request(std::string& out, std::uint32_t process_id, std::string_view secret);

}  // namespace lido::wire
