#include "metrics/page/page.hpp"

#include <array>
#include <cstddef>
#include <cstdio>
#include <random>
#include <string_view>

namespace lido::inline v0::metrics {

extern const std::string_view pools_html;  // generated from pools.html

namespace {

constexpr std::string_view placeholder = "@NONCE@";

std::string fresh_nonce() {
  std::random_device random;
  std::string nonce;
  for (int i = 0; i < 4; ++i) {
    std::array<char, 9> digits{};
    std::snprintf(digits.data(), digits.size(), "%08x", static_cast<unsigned>(random()));
    nonce += digits.data();
  }
  return nonce;
}

}  // namespace

page_with_policy make_page() {
  const std::string nonce = fresh_nonce();
  page_with_policy p;
  std::string_view rest = pools_html;
  for (std::size_t at = rest.find(placeholder); at != std::string_view::npos; at = rest.find(placeholder)) {
    p.html.append(rest.substr(0, at)).append(nonce);
    rest.remove_prefix(at + placeholder.size());
  }
  p.html.append(rest);
  p.policy = "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce +
             "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  return p;
}

}  // namespace lido::inline v0::metrics
