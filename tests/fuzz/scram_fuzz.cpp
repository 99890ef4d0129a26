// The server's two messages, parted by a zero byte.
#include "driver/session/base64.hpp"
#include "driver/session/scram.hpp"
#include "tests/fuzz/target.hpp"

#include <lido/driver/secret.hpp>

#include <algorithm>

LIDO_FUZZ_TARGET(scram, input) {
  using namespace lido::session;
  const std::size_t cut = std::min(input.find('\0'), input.size());
  for (const scram_binding how :
       {scram_binding::unsupported, scram_binding::offered_in_vain, scram_binding::tls_server_end_point}) {
    scram_client client("nonce", {}, how, "digest");
    (void)client.first_message();
    if (client.on_server_first(input.substr(0, cut), 100'000)) continue;
    lido::fuzz::require(client.iterations() >= 4096 && client.iterations() <= 100'000 && client.salt().size() >= 8);
    const auto last = client.final_message(lido::secret(std::string(scram_digest_size, 'k')));
    lido::fuzz::require(last.has_value());
    (void)client.on_server_final(input.substr(std::min(cut + 1, input.size())));
  }
  if (const auto bytes = base64_decode(input)) lido::fuzz::require(base64_encode(*bytes) == input);
}
