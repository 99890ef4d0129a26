// The addresses that a host has now, for whoever watches hosts. Private to Lido.
#pragma once

#include <lido/driver/config.hpp>

#include <asio/any_io_executor.hpp>

#include <functional>
#include <string>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {

/// Whether it is known by a name that is looked up, whose addresses may change.
bool has_look_up(const host_entry& host);

/// "10.0.0.1:5432", as managed_session::address() writes it; empty when the look-up failed, and for a Unix socket or a
/// host with a hostaddr. `done` runs on the executor, once, unless it is cancelled, by calling what this answers, or
/// its io_context is destroyed. `host` is complete (hosts_of()).
std::function<void()> look_up_addresses(const asio::any_io_executor& executor, const host_entry& host,
                                        std::function<void(std::vector<std::string>)> done);

}  // namespace detail
}  // namespace v0
}  // namespace lido
