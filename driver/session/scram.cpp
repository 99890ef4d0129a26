#include "driver/session/scram.hpp"

#include "driver/session/base64.hpp"
#include "driver/wire/limits.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace lido::session {
namespace {

// RFC 5802 section 6.
constexpr std::string_view header_of(scram_binding binding) noexcept {
  switch (binding) {
    case scram_binding::unsupported: return "n,,";
    case scram_binding::offered_in_vain: return "y,,";
    case scram_binding::tls_server_end_point: return "p=tls-server-end-point,,";
  }
  return "n,,";
}

constexpr std::size_t nonce_bytes = 24;
constexpr std::size_t max_message = 4096;
constexpr std::size_t min_salt = 8;
constexpr std::size_t max_salt = 1024;

constexpr scram_fault malformed{errc::protocol_error, "malformed SCRAM message from the server"};

// A key or a step towards one: gone when it goes.
class digest {
 public:
  digest() = default;
  digest(const digest&) = delete;
  digest& operator=(const digest&) = delete;
  ~digest() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

  unsigned char* data() noexcept { return bytes_.data(); }
  unsigned char& operator[](std::size_t i) noexcept { return bytes_[i]; }
  std::string_view view() const noexcept { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

 private:
  std::array<unsigned char, scram_digest_size> bytes_{};
};

const unsigned char* as_bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

bool hmac_sha256(std::string_view key, std::string_view text, digest& out) {
  unsigned size = 0;
  return HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), as_bytes(text), text.size(), out.data(), &size) !=
             nullptr &&
         size == scram_digest_size;
}

bool sha256(std::string_view text, digest& out) {
  unsigned size = 0;
  return EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(), nullptr) == 1 &&
         size == scram_digest_size;
}

// RFC 5802 section 7: printable = %x21-2B / %x2D-7E.
bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7e && c != ','; });
}

// The value of the attribute `name=` that must stand at the start of `rest`; it ends at the next comma or the end.
// Takes the comma too.
std::optional<std::string_view> take_attribute(std::string_view& rest, char name, bool last) {
  if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return std::nullopt;
  rest.remove_prefix(2);
  const std::size_t comma = rest.find(',');
  if ((comma == std::string_view::npos) != last) return std::nullopt;
  const std::string_view value = rest.substr(0, comma);
  rest.remove_prefix(last ? rest.size() : comma + 1);
  return value;
}

// RFC 5802 section 7: posit-number = %x31-39 *DIGIT. A number that does not fit is as good as too large.
std::optional<std::uint32_t> parse_iterations(std::string_view text) {
  const bool digits = !text.empty() && text.front() != '0' &&
                      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc{} ? value : UINT32_MAX;
}

}  // namespace

std::optional<std::string> make_scram_nonce() {
  std::array<unsigned char, nonce_bytes> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) return std::nullopt;
  return base64_encode({reinterpret_cast<const char*>(random.data()), random.size()});
}

scram_client::scram_client(std::string nonce, std::string_view user, scram_binding binding, std::string_view digest)
    : nonce_(std::move(nonce)), gs2_header_(header_of(binding)), binding_input_(gs2_header_) {
  if (binding == scram_binding::tls_server_end_point) binding_input_.append(digest);
  first_bare_.append("n=").append(user).append(",r=").append(nonce_);
}

std::string scram_client::first_message() const { return std::string(gs2_header_).append(first_bare_); }

std::optional<scram_fault> scram_client::on_server_first(std::string_view message, std::uint32_t max_iterations) {
  if (message.size() > max_message) return malformed;
  // A mandatory extension (`m=`) may only stand first, where `r=` is wanted; RFC 5802 section 5.1 has it refused.
  std::string_view rest = message;
  const auto nonce = take_attribute(rest, 'r', false);
  const auto salt = nonce ? take_attribute(rest, 's', false) : std::nullopt;
  const auto count = salt ? take_attribute(rest, 'i', true) : std::nullopt;
  if (!count || !is_printable(*nonce)) return malformed;

  const bool extends_ours = nonce->size() > nonce_.size() && nonce->substr(0, nonce_.size()) == nonce_;
  if (!extends_ours) return scram_fault{errc::protocol_error, "the server's SCRAM nonce does not extend ours"};

  const auto iterations = parse_iterations(*count);
  if (!iterations) return malformed;
  if (*iterations < wire::min_scram_iterations) {
    return scram_fault{errc::protocol_error,
                       "the server asks for fewer than 4096 SCRAM iterations (RFC 7677): set the password anew"};
  }
  if (*iterations > max_iterations) {
    return scram_fault{errc::protocol_error,
                       "the server asks for more SCRAM iterations than scram_max_iterations allows"};
  }

  auto salt_bytes = base64_decode(*salt);
  if (!salt_bytes || salt_bytes->size() < min_salt || salt_bytes->size() > max_salt) return malformed;

  salt_ = std::move(*salt_bytes);
  iterations_ = *iterations;
  server_nonce_ = *nonce;
  server_first_ = message;
  return std::nullopt;
}

// RFC 5802 section 3: ClientProof := ClientKey XOR HMAC(H(ClientKey), AuthMessage).
std::optional<std::string> scram_client::final_message(const secret& salted_password) {
  const std::string_view salted = salted_password.reveal();
  if (salted.size() != scram_digest_size) return std::nullopt;
  std::string message;
  message.append("c=").append(base64_encode(binding_input_)).append(",r=").append(server_nonce_);
  const std::string auth_message = first_bare_ + ',' + server_first_ + ',' + message;

  digest client_key;
  digest stored_key;
  digest client_signature;
  digest server_key;
  digest server_signature;
  const bool computed = hmac_sha256(salted, "Client Key", client_key) && sha256(client_key.view(), stored_key) &&
                        hmac_sha256(stored_key.view(), auth_message, client_signature) &&
                        hmac_sha256(salted, "Server Key", server_key) &&
                        hmac_sha256(server_key.view(), auth_message, server_signature);
  if (!computed) return std::nullopt;

  digest proof;
  for (std::size_t i = 0; i < scram_digest_size; ++i) {
    proof[i] = static_cast<unsigned char>(client_key[i] ^ client_signature[i]);
  }
  server_signature_ = secret(server_signature.view());
  return message.append(",p=").append(base64_encode(proof.view()));
}

std::optional<scram_fault> scram_client::on_server_final(std::string_view message) const {
  // The text of `e=` is the server's word for why; nothing that we would act on, and it may be anything.
  if (message.substr(0, 2) == "e=")
    return scram_fault{errc::auth_failed, "the server refused the SCRAM proof: wrong password"};
  constexpr scram_fault bad_signature{errc::server_not_proven,
                                      "bad server signature: the server does not know the password"};
  std::string_view rest = message;
  const auto value = message.size() <= max_message ? take_attribute(rest, 'v', true) : std::nullopt;
  const auto signature = value ? base64_decode(*value) : std::nullopt;
  const std::string_view expected = server_signature_.reveal();
  if (!signature || expected.size() != scram_digest_size || signature->size() != expected.size()) return bad_signature;
  if (CRYPTO_memcmp(signature->data(), expected.data(), expected.size()) != 0)
    return bad_signature;  // C12: constant time
  return std::nullopt;
}

}  // namespace lido::session
