#include "tests/support/server_auth.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>

namespace lido::testing {
namespace {

constexpr std::size_t key_size = 32;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string digest(const EVP_MD* kind, std::string_view text) {
  std::string result(static_cast<std::size_t>(EVP_MD_get_size(kind)), '\0');
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(result.data()), nullptr, kind, nullptr);
  return result;
}

std::string hmac(std::string_view key, std::string_view text) {
  std::string result(key_size, '\0');
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(),
       reinterpret_cast<unsigned char*>(result.data()), nullptr);
  return result;
}

std::string salted(const scram_settings& settings) {
  std::string result(key_size, '\0');
  const int rounds = std::max(1, std::atoi(settings.iterations.c_str()));
  PKCS5_PBKDF2_HMAC(settings.password.data(), static_cast<int>(settings.password.size()), bytes_of(settings.salt),
                    static_cast<int>(settings.salt.size()), rounds, EVP_sha256(), static_cast<int>(key_size),
                    reinterpret_cast<unsigned char*>(result.data()));
  return result;
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

// The value of an attribute such as "r=" in a comma-separated SCRAM message.
std::string attribute(std::string_view message, std::string_view name) {
  for (std::size_t at = 0; at < message.size();) {
    const auto end = std::min(message.find(',', at), message.size());
    const auto item = message.substr(at, end - at);
    if (item.starts_with(name)) return std::string{item.substr(name.size())};
    at = end + 1;
  }
  throw std::runtime_error{"the client's SCRAM message has no " + std::string{name}};
}

}  // namespace

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3), '\0');
  // EVP_EncodeBlock writes a final NUL: onto the string's own.
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes_of(bytes), static_cast<int>(bytes.size()));
  return text;
}

std::string scram_conversation::first(std::string_view client_first) {
  // gs2 header: "n,," or "y,," or "p=...,,": the bare message starts after the second comma.
  const auto comma = client_first.find(',', client_first.find(',') + 1);
  if (comma == std::string_view::npos) throw std::runtime_error{"the client's first SCRAM message has no header"};
  client_first_bare_ = client_first.substr(comma + 1);
  const auto nonce = attribute(client_first_bare_, "r=") + settings_.nonce;
  server_first_ = settings_.edit_first("r=" + nonce + ",s=" + base64(settings_.salt) + ",i=" + settings_.iterations);
  return server_first_;
}

std::string scram_conversation::final(std::string_view client_final) {
  const auto without_proof = client_final.substr(0, client_final.rfind(",p="));
  const auto conversation = client_first_bare_ + "," + server_first_ + "," + std::string{without_proof};
  const auto key = salted(settings_);
  auto proof = hmac(key, "Client Key");
  const auto signature = hmac(digest(EVP_sha256(), proof), conversation);
  for (std::size_t i = 0; i < key_size; ++i) proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  if (attribute(client_final, "p=") != base64(proof)) throw std::runtime_error{"the client's SCRAM proof is wrong"};
  return settings_.edit_final("v=" + base64(hmac(hmac(key, "Server Key"), conversation)));
}

std::string md5_answer(std::string_view user, std::string_view password, std::string_view salt) {
  const auto inner = hex(digest(EVP_md5(), std::string{password} + std::string{user}));
  return "md5" + hex(digest(EVP_md5(), inner + std::string{salt}));
}

}  // namespace lido::testing
