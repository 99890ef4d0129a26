// When a changed setting takes effect in something that runs.
#pragma once

namespace lido {
inline namespace v0 {

enum class knob_class {
  live,     ///< at once
  rolling,  ///< for connections made from now on; the older ones are replaced as they come back
  restart,  ///< only with a new pool
};

}  // namespace v0
}  // namespace lido
