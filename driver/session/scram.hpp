// The client's half of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677, RFC 5929), sans-io. One object is one
// exchange, in the order of the members. The password goes through SASLprep before its key is derived (saslprep.hpp).
#pragma once

#include <lido/driver/error.hpp>
#include <lido/driver/secret.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lido::session {

inline constexpr std::string_view scram_mechanism = "SCRAM-SHA-256";
inline constexpr std::string_view scram_plus_mechanism = "SCRAM-SHA-256-PLUS";
inline constexpr std::size_t scram_digest_size = 32;

// Why an exchange ends. `why` is a literal: it carries nothing of the peer's and nothing secret.
struct scram_fault {
  errc code;
  const char* why;
};

// 24 bytes of RAND_bytes in base64 (S4 asks for 18); nullopt when the system has no randomness.
std::optional<std::string> make_scram_nonce();

// What the client says of channel binding; `offered_in_vain` is how a server notices that somebody in between has taken
// PLUS off its list (reliability S5).
enum class scram_binding { unsupported, offered_in_vain, tls_server_end_point };

class scram_client {
 public:
  // PostgreSQL takes the user from the start-up message and ignores this one, so it stays empty there. `digest`: of the
  // server's certificate, for tls_server_end_point.
  explicit scram_client(std::string nonce, std::string_view user = {},
                        scram_binding binding = scram_binding::unsupported, std::string_view digest = {});

  std::string first_message() const;
  std::optional<scram_fault> on_server_first(std::string_view message, std::uint32_t max_iterations);
  const std::string& salt() const noexcept { return salt_; }
  std::uint32_t iterations() const noexcept { return iterations_; }

  // The proof. nullopt when `salted_password` is no digest, or the crypto library fails.
  std::optional<std::string> final_message(const secret& salted_password);
  // No fault: the server knows the password.
  std::optional<scram_fault> on_server_final(std::string_view message) const;

 private:
  std::string nonce_;
  std::string_view gs2_header_;
  std::string binding_input_;  // gs2 header and digest
  std::string first_bare_;
  std::string server_first_;
  std::string server_nonce_;
  std::string salt_;
  std::uint32_t iterations_ = 0;
  secret server_signature_;  // whoever reads it can pass for the server
};

}  // namespace lido::session
