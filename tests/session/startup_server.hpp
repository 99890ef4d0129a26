// A scripted server for start-up tests: builds backend messages byte by byte, and plays the server's half of SCRAM with
// OpenSSL's primitives (not with the code under test).
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace lido::startup_test {

inline const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
inline std::string text_of(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

inline std::string hmac(std::string_view key, std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(), out, &size);
  return text_of(out, size);
}

inline std::string sha256(std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), out, &size, EVP_sha256(), nullptr);
  return text_of(out, size);
}

inline std::string pbkdf2(std::string_view password, std::string_view salt, int iterations) {
  unsigned char out[32];
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes_of(salt), static_cast<int>(salt.size()),
                    iterations, EVP_sha256(), sizeof out, out);
  return text_of(out, sizeof out);
}

inline std::string be32(std::uint32_t value) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> shift & 0xffU);
  return out;
}

inline std::string message(char type, std::string_view body) {
  return std::string(1, type).append(be32(static_cast<std::uint32_t>(body.size() + 4))).append(body);
}

inline std::string joined(std::initializer_list<std::string_view> messages) {
  std::string all;
  for (const std::string_view one : messages) all.append(one);
  return all;
}

inline std::string authentication(std::uint32_t code, std::string_view data = {}) {
  return message('R', be32(code).append(data));
}
inline std::string auth_ok() { return authentication(0); }

inline std::string sasl(std::initializer_list<std::string_view> mechanisms) {
  std::string list;
  for (const std::string_view name : mechanisms) list.append(name).append(1, '\0');
  return authentication(10, list.append(1, '\0'));
}

inline std::string parameter(std::string_view name, std::string_view value) {
  return message('S', std::string(name).append(1, '\0').append(value).append(1, '\0'));
}

inline std::string backend_key(std::uint32_t process_id, std::string_view key) {
  return message('K', be32(process_id).append(key));
}
inline std::string ready(char status = 'I') { return message('Z', std::string(1, status)); }

// Kind is 'E' or 'N'; each field is its code and its text.
inline std::string diagnostics_message(char kind, std::initializer_list<std::pair<char, std::string_view>> fields) {
  std::string body;
  for (const auto& [code, text] : fields) body.append(1, code).append(text).append(1, '\0');
  return message(kind, body.append(1, '\0'));
}

inline std::string to_base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes_of(bytes), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

// "Client-first" in, messages out. Every part can be bent by a test.
class scram_server {
 public:
  explicit scram_server(std::string password) : password_(std::move(password)) {}

  std::string salt = "0123456789abcdef";
  std::string iterations = "4096";
  std::string own_nonce = "SERVERnonce";

  // `sasl_initial`: the whole 'p' message of the client.
  void read_initial(std::string_view sasl_initial);
  const std::string& client_nonce() const { return client_nonce_; }
  std::string server_first() const;
  // Whether the client's 'p' message proves the password.
  bool accepts(std::string_view sasl_response);
  std::string server_final() const;  // "v=..." for the exchange that accepts() has seen

 private:
  std::string password_;
  std::string client_first_bare_;
  std::string client_nonce_;
  std::string signature_;
};

inline void scram_server::read_initial(std::string_view sasl_initial) {
  const std::size_t start = sasl_initial.find(",,n=");  // behind the GS2 header, whichever it is
  ASSERT_NE(start, std::string_view::npos);
  client_first_bare_ = sasl_initial.substr(start + 2);
  client_nonce_ = client_first_bare_.substr(client_first_bare_.find("r=") + 2);
}

inline std::string scram_server::server_first() const {
  return "r=" + client_nonce_ + own_nonce + ",s=" + to_base64(salt) + ",i=" + iterations;
}

inline bool scram_server::accepts(std::string_view sasl_response) {
  const std::string_view text = sasl_response.substr(5);
  const std::size_t proof_at = text.rfind(",p=");
  if (proof_at == std::string_view::npos) return false;
  const std::string auth_message =
      client_first_bare_ + "," + server_first() + "," + std::string(text.substr(0, proof_at));
  const std::string salted = pbkdf2(password_, salt, std::stoi(iterations));
  const std::string client_key = hmac(salted, "Client Key");
  std::string proof = hmac(sha256(client_key), auth_message);
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ client_key[i]);
  signature_ = hmac(hmac(salted, "Server Key"), auth_message);
  return text.substr(proof_at + 3) == to_base64(proof);
}

inline std::string scram_server::server_final() const { return "v=" + to_base64(signature_); }

}  // namespace lido::startup_test
