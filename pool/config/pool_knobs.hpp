// The pool's own knobs, by the names that TOML and DSN use.
#pragma once

#include <lido/driver/detail/knobs.hpp>
#include <lido/pool/config.hpp>

#include <span>

namespace lido {
inline namespace v0 {
namespace detail {

std::span<const knob<pool_config>> pool_knobs() noexcept;
// Fit to be a label of metrics and, in capitals, a part of the name of an environment variable.
bool is_pool_name(std::string_view name) noexcept;

}  // namespace detail
}  // namespace v0
}  // namespace lido
