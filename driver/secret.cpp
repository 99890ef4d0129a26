#include <lido/driver/secret.hpp>

#include <openssl/crypto.h>

namespace lido {
inline namespace v0 {

// The whole capacity, not only the size: a swap of short strings or an earlier, longer value leaves bytes behind the
// end.
void secret::wipe() noexcept {
  text_.resize(text_.capacity());
  OPENSSL_cleanse(text_.data(), text_.size());
  text_.clear();
}

}  // namespace v0
}  // namespace lido
