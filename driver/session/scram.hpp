// The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding, sans-io. One object is one exchange,
// in the order of the members.
//
// SASLprep is out of scope: the password's bytes are used as they are. For ASCII that is what SASLprep gives; for
// anything else the server must have been given the same UTF-8 bytes, already normalised.
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

class scram_client {
 public:
  // PostgreSQL takes the user from the start-up message and ignores this one, so it stays empty there.
  explicit scram_client(std::string nonce, std::string_view user = {});

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
  std::string first_bare_;
  std::string server_first_;
  std::string server_nonce_;
  std::string salt_;
  std::uint32_t iterations_ = 0;
  secret server_signature_;  // whoever reads it can pass for the server
};

}  // namespace lido::session
