#include "metrics/http/message.hpp"

#include <algorithm>
#include <optional>

namespace lido::inline v0::metrics::http {
namespace {

constexpr std::string_view line_end = "\r\n";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool is_token(std::string_view text) {
  constexpr std::string_view signs = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || signs.find(c) != std::string_view::npos;
  });
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

std::string_view take_until(std::string_view& text, std::string_view separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + separator.size());
  return part;
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// "name", "name:port", "[::1]:port" without the port; nothing when it is none of them.
std::optional<std::string_view> without_port(std::string_view host) {
  std::string_view port;
  std::string_view name = host;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    name = host.substr(1, end - 1);
    port = host.substr(end + 1);
    if (!port.empty() && port.front() != ':') return std::nullopt;
  } else if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    name = host.substr(0, colon);
    port = host.substr(colon);
  }
  if (!port.empty()) port.remove_prefix(1);
  const bool digits = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (name.empty() || !digits || port.size() > 5 || !is_visible(name)) return std::nullopt;
  return name;
}

status parse_line(std::string_view line, request& r) {
  const std::string_view method = take_until(line, " ");
  const std::string_view target = take_until(line, " ");
  if (!is_token(method) || target.empty() || target.front() != '/' || !is_visible(target)) return status::bad_request;
  if (!line.starts_with("HTTP/") || line.size() != 8) return status::bad_request;
  if (line != "HTTP/1.1" && line != "HTTP/1.0") return status::version_not_supported;
  if (target.size() > max_target_bytes) return status::target_too_long;
  if (method != "GET" && method != "HEAD") return status::method_not_allowed;
  r.head_only = method == "HEAD";
  r.path = target.substr(0, target.find_first_of("?#"));
  return status::ok;
}

status parse_header(std::string_view line, request& r) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return status::bad_request;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (has_control(value)) return status::bad_request;
  if (same(name, "transfer-encoding")) return status::payload_too_large;
  if (same(name, "content-length") && value != "0") return status::payload_too_large;
  if (!same(name, "host")) return status::ok;
  const auto host = without_port(value);
  if (!host || !r.host.empty()) return status::bad_request;  // two hosts: two readers would see two requests
  r.host = *host;
  return status::ok;
}

std::string_view reason(status code) {
  switch (code) {
    case status::ok: return "OK";
    case status::found: return "Found";
    case status::bad_request: return "Bad Request";
    case status::not_found: return "Not Found";
    case status::method_not_allowed: return "Method Not Allowed";
    case status::payload_too_large: return "Content Too Large";
    case status::target_too_long: return "URI Too Long";
    case status::misdirected: return "Misdirected Request";
    case status::head_too_large: return "Request Header Fields Too Large";
    case status::internal_error: return "Internal Server Error";
    case status::unavailable: return "Service Unavailable";
    case status::version_not_supported: return "HTTP Version Not Supported";
  }
  return "Unknown";
}

}  // namespace

std::size_t end_of_head(std::string_view bytes) noexcept {
  const std::size_t at = bytes.find("\r\n\r\n");
  return at == std::string_view::npos ? at : at + 4;
}

request parse(std::string_view head) noexcept {
  request r;
  const std::size_t end = end_of_head(head);
  if (end == std::string_view::npos || end > max_head_bytes) {
    r.verdict = status::head_too_large;
    return r;
  }
  head = head.substr(0, end - line_end.size());
  const std::string_view first = take_until(head, line_end);
  const bool needs_host = first.ends_with("HTTP/1.1");
  r.verdict = parse_line(first, r);
  while (r.verdict == status::ok && !head.empty()) r.verdict = parse_header(take_until(head, line_end), r);
  if (r.verdict == status::ok && needs_host && r.host.empty()) r.verdict = status::bad_request;
  return r;
}

std::string serialise(const answer& what, bool head_only) {
  std::string out = "HTTP/1.1 " + std::to_string(static_cast<unsigned>(what.code));
  out.append(" ").append(reason(what.code)).append(line_end);
  const auto header = [&out](std::string_view line) { out.append(line).append(line_end); };
  header("Content-Type: " + what.content_type);
  header("Content-Length: " + std::to_string(what.body.size()));
  header("Cache-Control: no-store");
  header("X-Content-Type-Options: nosniff");
  header("X-Frame-Options: DENY");
  header("Referrer-Policy: no-referrer");
  header("Cross-Origin-Opener-Policy: same-origin");
  header("Cross-Origin-Resource-Policy: same-origin");
  bool own_policy = false;
  for (const std::string& line : what.headers) {
    own_policy = own_policy || line.starts_with("Content-Security-Policy:");
    header(line);
  }
  if (!own_policy) header("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'");
  header("Connection: close");
  out.append(line_end);
  if (!head_only) out.append(what.body);
  return out;
}

bool is_local_name(std::string_view host) noexcept {
  if (host.empty() || same(host, "localhost")) return true;
  const bool v4 = std::all_of(host.begin(), host.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  return v4 || host.find(':') != std::string_view::npos;  // a colon is in no name: [::1]
}

}  // namespace lido::inline v0::metrics::http
