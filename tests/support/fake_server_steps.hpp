// The steps that scripts of fake_server are made of. Each wait in them is bounded by the server's budget.
#pragma once

#include "tests/support/backend_messages.hpp"
#include "tests/support/fake_server.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace lido::testing::steps {

// Sending. After start_tls() through TLS, except send_beneath().
[[nodiscard]] step send(std::string bytes);
[[nodiscard]] step send_in_slices(std::string bytes, std::size_t size, std::chrono::milliseconds between = {});
[[nodiscard]] step send_beneath(std::string bytes);
[[nodiscard]] step send_repeatedly(std::string bytes, std::size_t times);
[[nodiscard]] step send_until_closed(std::string bytes);  // ends well when the peer goes; it must, within 60 s
/// From here on everything goes out in slices (TLS records too).
[[nodiscard]] step slice_output(std::size_t size, std::chrono::milliseconds between = {});
/// From here on only so many bytes leave, then the script ends: with FIN, RST, or in silence until the peer goes.
enum class cut_by { fin, rst, silence };
[[nodiscard]] step cut_output_after(std::size_t bytes, cut_by how, const script& rest);

// Receiving. A wrong message is a problem and ends the script.
[[nodiscard]] step expect_ssl_request();  // exactly these 8 bytes
[[nodiscard]] step expect_startup();      // its parameters are session.startup then
[[nodiscard]] step expect_cancel_request(std::int32_t pid = 4711, std::int64_t key = 0x0badcafe);
[[nodiscard]] step expect(char type);
[[nodiscard]] step expect_all(std::string_view types);  // "PBDES"
[[nodiscard]] step expect_query(std::string text);      // simple query with this text
[[nodiscard]] step expect_body(char type, std::string body);
/// Answers each message by what the handler gives back, until Terminate or the peer's end.
[[nodiscard]] step serve(std::function<std::string(const client_message&)> handler);

// TLS, as the server.
[[nodiscard]] step start_tls();
[[nodiscard]] step start_tls(identity who, tls_versions versions = {});
/// The same, when the client is to refuse: a handshake that succeeds is a problem.
[[nodiscard]] step start_refused_tls(identity who, tls_versions versions = {});
[[nodiscard]] step tls_key_update();
[[nodiscard]] step tls_new_ticket();

// Authentication. scram() is the whole exchange up to SASLFinal, AuthOk not included; the three are its parts.
[[nodiscard]] step scram(scram_settings settings);
[[nodiscard]] step scram_begin(scram_settings settings);  // AuthenticationSASL, and the client's first message
[[nodiscard]] step scram_challenge();                     // our first, and the client's final message
[[nodiscard]] step scram_end();                           // checks the proof, our final
[[nodiscard]] step expect_md5(std::string user, std::string password, std::string salt);
[[nodiscard]] step expect_cleartext(std::string password);

// Ends.
[[nodiscard]] step wait_for_close();  // a peer that stays is a problem
[[nodiscard]] step close();           // in good order: close_notify under TLS, then FIN
[[nodiscard]] step close_fin();       // FIN alone
[[nodiscard]] step close_rst();
[[nodiscard]] step stall();  // neither reads nor writes until the server is destroyed

// Order and time.
[[nodiscard]] step reached(std::string name);
[[nodiscard]] step gate(std::string name);
[[nodiscard]] step pause(std::chrono::milliseconds time);
/// Ends well when the peer goes in the middle of it.
[[nodiscard]] step tolerate_loss(const script& part);
[[nodiscard]] step all(const script& part);

// Usual beginnings.
[[nodiscard]] step trusted_session(std::string greeting = session_start());  // plain, no password
[[nodiscard]] step tls_session(std::string greeting = session_start());      // SSLRequest, TLS, no password

}  // namespace lido::testing::steps
