#include "driver/config/host_list.hpp"

#include <lido/driver/detail/knobs.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

// What every host of the list lacks: then the other lists may be of any length.
bool none_has(const std::vector<host_entry>& hosts, std::string host_entry::* field) {
  return std::ranges::all_of(hosts, [field](const host_entry& h) { return (h.*field).empty(); });
}
bool none_has_port(const std::vector<host_entry>& hosts) {
  return std::ranges::all_of(hosts, [](const host_entry& h) { return h.port == 0; });
}

bool fits(const std::vector<std::string_view>& parts, const std::vector<host_entry>& hosts, bool others_given) {
  return parts.size() <= most_hosts && (hosts.empty() || parts.size() == hosts.size() || !others_given);
}

constexpr std::string_view default_host = "localhost";

bool is_host(std::string_view text) { return text.find('@') == std::string_view::npos; }

bool port_from_text(std::string_view text, std::uint16_t& out) {
  std::size_t port = 0;
  if (!count_from_text(text, port) || port == 0 || port > std::numeric_limits<std::uint16_t>::max()) return false;
  out = static_cast<std::uint16_t>(port);
  return true;
}

}  // namespace

bool set_hosts(connect_config& c, std::string_view text) {
  if (text.empty()) text = default_host;
  const auto parts = split(text);
  const bool others = !none_has(c.hosts, &host_entry::hostaddr) || !none_has_port(c.hosts);
  if (!fits(parts, c.hosts, others) || !std::ranges::all_of(parts, is_host)) return false;
  if (parts.size() == 1) {
    c.hosts.clear();
    c.host.assign(text);
    return true;
  }
  c.hosts.resize(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) c.hosts[i].host.assign(parts[i].empty() ? default_host : parts[i]);
  return true;
}

bool set_host_addresses(connect_config& c, std::string_view text) {
  if (text.empty()) {
    c.hostaddr.clear();
    for (host_entry& h : c.hosts) h.hostaddr.clear();
    return true;
  }
  const auto parts = split(text);
  const bool others = !none_has(c.hosts, &host_entry::host) || !none_has_port(c.hosts);
  if (!fits(parts, c.hosts, others) || !std::ranges::all_of(parts, is_host)) return false;
  if (parts.size() == 1) {
    c.hosts.clear();
    c.hostaddr.assign(text);
    return true;
  }
  c.hosts.resize(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) c.hosts[i].hostaddr.assign(parts[i]);
  return true;
}

bool set_ports(connect_config& c, std::string_view text) {
  const auto parts = split(text);
  if (parts.size() == 1) {  // of all hosts
    if (text.empty()) {
      c.port = connect_config{}.port;
    } else if (!port_from_text(text, c.port)) {
      return false;
    }
    for (host_entry& h : c.hosts) h.port = 0;
    return true;
  }
  const bool others = !none_has(c.hosts, &host_entry::host) || !none_has(c.hosts, &host_entry::hostaddr);
  if (!fits(parts, c.hosts, others)) return false;
  std::vector<std::uint16_t> ports(parts.size(), connect_config{}.port);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].empty() && !port_from_text(parts[i], ports[i])) return false;
  }
  c.hosts.resize(parts.size());
  for (std::size_t i = 0; i < parts.size(); ++i) c.hosts[i].port = ports[i];
  return true;
}

namespace {

template <class Text>
std::string joined(const std::vector<host_entry>& hosts, Text text) {
  std::string out;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (i > 0) out += ',';
    out += text(hosts[i]);
  }
  return out;
}

}  // namespace

std::string host_names(const connect_config& c) {
  if (c.hosts.empty()) return c.host;
  return joined(c.hosts, [](const host_entry& h) { return h.host; });
}

std::string host_addresses(const connect_config& c) {
  if (c.hosts.empty()) return c.hostaddr;
  if (none_has(c.hosts, &host_entry::hostaddr)) return {};
  return joined(c.hosts, [](const host_entry& h) { return h.hostaddr; });
}

std::string host_ports(const connect_config& c) {
  if (none_has_port(c.hosts)) return std::to_string(c.port);
  return joined(c.hosts, [&c](const host_entry& h) { return std::to_string(h.port == 0 ? c.port : h.port); });
}

// ---- together ----

bool host_settings::set(std::string_view key, std::string_view value, std::string_view where) {
  entry* into = nullptr;
  if (key == "host") into = &host_;
  if (key == "hostaddr") into = &address_;
  if (key == "port") into = &port_;
  if (into == nullptr) return false;
  connect_config alone;
  set_knob(connect_knobs(), alone, key, value, where);
  into->value.assign(value);
  into->where.assign(where);
  into->given = true;
  return true;
}

std::size_t host_settings::entry::size() const noexcept {
  return 1 + static_cast<std::size_t>(std::ranges::count(value, ','));
}

void host_settings::throw_misfit(const entry& which, std::string_view what, const entry& than, std::string_view of) {
  const auto number = [](std::size_t n, std::string_view unit) {
    const std::string_view plural = unit.ends_with('s') ? "es" : "s";
    return std::to_string(n) + " " + std::string(unit) + std::string(n == 1 ? "" : plural);
  };
  throw_invalid_config(which.where + ": " + number(which.size(), what) + " for " + number(than.size(), of) + " (" +
                       than.where + ")");
}

// As libpq: as many addresses as names, and one port for all or one each.
void host_settings::apply(connect_config& config) const {
  const bool addressed = address_.given && !address_.value.empty();
  const bool named = host_.given && !host_.value.empty();
  if (addressed && named && host_.size() != address_.size()) throw_misfit(host_, "host", address_, "address");
  if (port_.given && port_.size() > 1) {
    if (addressed && port_.size() != address_.size()) throw_misfit(port_, "port", address_, "address");
    if (!addressed && named && port_.size() != host_.size()) throw_misfit(port_, "port", host_, "host");
  }
  const bool fits = (!host_.given || set_hosts(config, host_.value)) &&
                    (!address_.given || set_host_addresses(config, address_.value)) &&
                    (!port_.given || set_ports(config, port_.value));
  if (!fits) throw_invalid_config("host, hostaddr and port do not fit each other");
}

bool is_unix_socket(const host_entry& host) noexcept { return host.hostaddr.empty() && host.host.starts_with('/'); }

std::vector<host_entry> hosts_of(const connect_config& c) {
  std::vector<host_entry> all = c.hosts;
  if (all.empty()) all.push_back({c.host, c.hostaddr, c.port});
  for (host_entry& h : all) {
    if (h.host.empty()) h.host = h.hostaddr;
    if (h.port == 0) h.port = c.port;
  }
  return all;
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
