// postgresql://user:password@host:port/dbname?key=value&...: character for character as libpq's fe-connect.c reads it.
// What that makes of a raw '@' or '/' in a password - the rest of it becomes the name of a host - is refused where
// hosts and ports are set, so that it ends in no look-up, log or message.
#include "driver/config/split.hpp"

#include <algorithm>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

class uri_splitter {
 public:
  uri_splitter(std::string_view dsn, std::size_t scheme_size) : dsn_(dsn), at_(scheme_size) {}

  std::vector<dsn_setting> split() {
    credentials();
    host_and_port();
    database();
    parameters();
    return std::move(out_);
  }

 private:
  // First of `ends` at or behind the current place, else the end.
  std::size_t until(std::string_view ends) const { return std::min(dsn_.find_first_of(ends, at_), dsn_.size()); }
  bool is_at(std::size_t i, char c) const { return i < dsn_.size() && dsn_[i] == c; }
  bool at(char c) const { return is_at(at_, c); }

  // libpq looks for an '@' before the first '/', wherever '?' is.
  void credentials() {
    const std::size_t sign = until("@/");
    if (!is_at(sign, '@')) return;
    const std::size_t colon = std::min(dsn_.find(':', at_), sign);
    if (colon > at_) add("user", at_, colon);
    if (colon + 1 < sign) add("password", colon + 1, sign);
    at_ = sign + 1;
  }

  // One or several, host[:port],host[:port]: two settings, each a list in the same order.
  void host_and_port() {
    const std::size_t begin = at_;
    dsn_setting hosts;
    dsn_setting ports;
    for (;;) {
      host(hosts);
      if (at(':')) {
        const std::size_t stop = until("/?,");
        append(ports, at_ + 1, stop);
        at_ = stop;
      }
      if (!at(',')) break;
      ++at_;
      append_comma(hosts);
      append_comma(ports);
    }
    hosts.key = "host";
    ports.key = "port";
    hosts.position = ports.position = begin + 1;
    if (!hosts.value.empty()) out_.push_back(std::move(hosts));
    if (!ports.value.empty()) out_.push_back(std::move(ports));
  }

  void host(dsn_setting& hosts) {
    if (!at('[')) {
      const std::size_t stop = until(":/?,");
      append(hosts, at_, stop);
      at_ = stop;
      return;
    }
    const std::size_t close = dsn_.find(']', at_);
    if (close == std::string_view::npos || close == at_ + 1) throw_dsn_error(at_, "an IPv6 address is written [::1]");
    append(hosts, at_ + 1, close);
    at_ = close + 1;
    if (at_ < dsn_.size() && std::string_view(":/?,").find(dsn_[at_]) == std::string_view::npos)
      throw_dsn_error(at_, "expected \":\", \",\" or \"/\" behind an IPv6 address");
  }

  void append(dsn_setting& to, std::size_t begin, std::size_t end) const {
    to.value.append(decoded(begin, end).reveal());
  }
  static void append_comma(dsn_setting& to) { to.value.append(","); }

  void database() {
    if (!at('/')) return;
    const std::size_t end = until("?");
    if (at_ + 1 < end) add("dbname", at_ + 1, end);
    at_ = end;
  }

  void parameters() {
    if (at_ == dsn_.size()) return;
    while (++at_ <= dsn_.size()) {
      const std::size_t end = until("&");
      const std::size_t equals = std::min(dsn_.find('=', at_), end);
      if (equals == end) {
        if (end == dsn_.size() && at_ == end) return;  // a trailing '?' or '&'
        throw_dsn_error(at_, "a parameter without \"=\"");
      }
      if (dsn_.substr(0, end).find('=', equals + 1) != std::string_view::npos) {
        throw_dsn_error(equals, "two \"=\" in one parameter; in a value it is written %3D");
      }
      const std::size_t key = at_;
      secret name = decoded(key, equals);
      add(std::string(name.reveal()), equals + 1, end);
      out_.back().position = key + 1;
      at_ = end;
    }
  }

  void add(std::string key, std::size_t begin, std::size_t end) {
    dsn_setting s;
    s.key = std::move(key);
    s.value = decoded(begin, end);
    s.position = begin + 1;
    out_.push_back(std::move(s));
  }

  secret decoded(std::size_t begin, std::size_t end) const {
    secret_text text(end - begin);
    for (std::size_t i = begin; i < end; ++i) {
      if (dsn_[i] != '%') {
        text += dsn_[i];
        continue;
      }
      const int high = i + 2 < end ? hex_digit(dsn_[i + 1]) : -1;
      const int low = i + 2 < end ? hex_digit(dsn_[i + 2]) : -1;
      if (high < 0 || low < 0)
        throw_dsn_error(i, "\"%\" without two hexadecimal digits; a percent sign is written %25");
      if (high == 0 && low == 0) throw_dsn_error(i, "%00 is not allowed");
      text += static_cast<char>(high * 16 + low);
      i += 2;
    }
    return secret(text.view());
  }

  std::string_view dsn_;
  std::size_t at_;
  std::vector<dsn_setting> out_;
};

}  // namespace

std::vector<dsn_setting> split_uri(std::string_view dsn, std::size_t scheme_size) {
  return uri_splitter(dsn, scheme_size).split();
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
