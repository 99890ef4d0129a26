// host, hostaddr and port: each one value or a list with commas, in any order, as libpq reads them. What is between two
// commas may be empty: the default.
#pragma once

#include <lido/driver/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace lido {
inline namespace v0 {
namespace detail {

inline constexpr std::size_t most_hosts = 32;

// False: not what it expects, or as many values as do not fit the other two lists.
bool set_hosts(connect_config& c, std::string_view text);
bool set_host_addresses(connect_config& c, std::string_view text);
bool set_ports(connect_config& c, std::string_view text);
// What these three understand.
std::string host_names(const connect_config& c);
std::string host_addresses(const connect_config& c);
std::string host_ports(const connect_config& c);

}  // namespace detail
}  // namespace v0
}  // namespace lido
