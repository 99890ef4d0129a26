// How long to leave a server alone that refuses connections: full jitter under a ceiling that doubles, gone with the
// first success. While it is failing one connect at a time asks whether the server is back.
#pragma once

#include "pool/core/limits.hpp"
#include "pool/core/random.hpp"

namespace lido::inline v0::core {

class backoff {
 public:
  // A failure while the pause runs already belongs to the batch that caused it: it does not make it longer.
  void failed(const limits& l, random& r, time_point now) noexcept;
  void succeeded() noexcept;

  [[nodiscard]] bool failing() const noexcept { return ceiling_ > duration::zero(); }
  [[nodiscard]] bool pausing(time_point now) const noexcept { return now < until_; }
  [[nodiscard]] time_point until() const noexcept { return until_; }

 private:
  duration ceiling_{};
  time_point until_ = time_point::min();
};

}  // namespace lido::inline v0::core
