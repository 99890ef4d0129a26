// The server's side of password authentication, correct by default and wrong where a test edits it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lido::testing {

using text_edit = std::function<std::string(std::string usual)>;

/// SCRAM-SHA-256 as a script wants it. The client's proof is checked over what was really sent.
struct scram_settings {
  std::string password = "secret";
  std::vector<std::string> mechanisms{"SCRAM-SHA-256"};
  std::string nonce = "3rfcNHYJY1ZVvWVs7j";  // appended to the client's
  std::string salt = "0123456789abcdef";     // as bytes
  std::string iterations = "4096";           // as text: it may be no number
  text_edit edit_first = [](std::string usual) { return usual; };
  text_edit edit_final = [](std::string usual) { return usual; };
};

class scram_conversation {
 public:
  explicit scram_conversation(scram_settings settings) : settings_{std::move(settings)} {}

  [[nodiscard]] const scram_settings& settings() const noexcept { return settings_; }
  /// From the client's first message ("n,,n=,r=...") to the server's first.
  std::string first(std::string_view client_first);
  /// From the client's final message to the server's; throws std::runtime_error when the proof is wrong.
  std::string final(std::string_view client_final);

 private:
  scram_settings settings_;
  std::string client_first_bare_;
  std::string server_first_;
};

/// What a client answers to an MD5 request with this salt.
[[nodiscard]] std::string md5_answer(std::string_view user, std::string_view password, std::string_view salt);
[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace lido::testing
