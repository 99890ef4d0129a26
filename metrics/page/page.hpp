// The page behind /pools: one file without anything from elsewhere, pools.html, compiled into the library.
#pragma once

#include <string>

namespace lido::inline v0::metrics {

struct page_with_policy {
  std::string html;
  std::string policy;  // Content-Security-Policy: only this page's own script and style, by a nonce of this answer
};

[[nodiscard]] page_with_policy make_page();

}  // namespace lido::inline v0::metrics
