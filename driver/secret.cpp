#include <lido/driver/secret.hpp>

#include <openssl/crypto.h>

namespace lido {
inline namespace v0 {

// The whole capacity, not only the size: a swap of short strings or an earlier, longer value leaves bytes behind the
// end.
// Never by a string's own growth, which would leave the old bytes behind.
void secret::append(std::string_view more) {
  secret longer;
  longer.text_.reserve(text_.size() + more.size());
  longer.text_.append(text_).append(more);
  text_.swap(longer.text_);
}

void secret::wipe() noexcept {
  text_.resize(text_.capacity());
  OPENSSL_cleanse(text_.data(), text_.size());
  text_.clear();
}

}  // namespace v0
}  // namespace lido
