#include "metrics/families.hpp"
#include "metrics/health.hpp"
#include "metrics/http/server.hpp"
#include "metrics/page/page.hpp"
#include "metrics/pools_json.hpp"
#include "metrics/refuse.hpp"

#include <lido/driver/error.hpp>
#include <lido/metrics/exposer.hpp>

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <mutex>
#include <system_error>
#include <utility>

namespace lido::inline v0::metrics {

namespace {

constexpr std::size_t max_others = 64;

bool is_loopback(std::string_view address) { return address == "::1" || address.starts_with("127."); }

exposer_config checked(exposer_config c) {
  if (!is_loopback(c.address) && !c.allow_remote) {
    refuse("the exposer's address " + c.address +
           " is not a loopback one: everybody who reaches it can read it, so set allow_remote if that is meant");
  }
  return c;
}

template <class Clock>
std::int64_t milliseconds_of(typename Clock::time_point t) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
}

}  // namespace

exposer_config exposer_config::parse(std::string_view address) {
  const auto wrong = [&] {
    refuse("not an address for metrics (127.0.0.1:9187, [::1]:9187, 9187): " + std::string{address});
  };
  exposer_config c;
  std::string_view port = address;
  if (const std::size_t colon = address.rfind(':'); colon != std::string_view::npos) {
    std::string_view host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
      host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
      wrong();
    }
    if (host.empty()) wrong();  // ":9187" means all interfaces elsewhere
    c.address = host == "localhost" ? "127.0.0.1" : std::string{host};
    port = address.substr(colon + 1);
  }
  const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), c.port);
  if (port.empty() || ec != std::errc{} || end != port.data() + port.size()) wrong();
  return c;
}

class exposer::parts {
 public:
  parts(exposer_config config, std::shared_ptr<collector> pools)
      : config_{checked(std::move(config))}, pools_{std::move(pools)}, server_{listen()} {}

  void add(std::weak_ptr<prometheus::Collectable> others) {
    const std::lock_guard lock{mutex_};
    std::erase_if(others_, [](const auto& weak) { return weak.expired(); });
    if (others_.size() == max_others) refuse("more than 64 collectables in one exposer");
    others_.push_back(std::move(others));
  }

  collector& pools() noexcept { return *pools_; }
  std::uint16_t port() const noexcept { return server_->port(); }

 private:
  std::unique_ptr<http::server> listen() {
    http::server_settings s;
    s.address = config_.address;
    s.port = config_.port;
    try {
      return std::make_unique<http::server>(s, [this](const http::request& r) { return answer(r); });
    } catch (const std::system_error& e) {
      refuse("cannot listen for metrics on " + config_.address + " port " + std::to_string(config_.port) + ": " +
             e.code().message());
    }
  }

  http::answer answer(const http::request& r) {
    http::answer a;
    if (!is_known(r.host)) {
      a.code = http::status::misdirected;
      a.body = "this name is not known here: ask for localhost, or enter it in exposer_config::hosts\n";
    } else if (r.path == "/metrics") {
      a.content_type = "text/plain; version=0.0.4; charset=utf-8";
      a.body = metrics();
    } else if (r.path == "/pools") {
      page(a);
    } else if (r.path == "/pools.json") {
      a.content_type = "application/json";
      a.body = json();
    } else if (r.path == "/healthz") {
      const health h = judge(pools_->samples());
      a.code = h.ready ? http::status::ok : http::status::unavailable;
      a.body = h.reason + "\n";
    } else if (r.path == "/") {
      a.code = http::status::found;
      a.headers.emplace_back("Location: /pools");
    } else {
      a.code = http::status::not_found;
      a.body = "here are /pools, /pools.json, /metrics and /healthz\n";
    }
    return a;
  }

  bool is_known(std::string_view host) const {
    return !is_loopback(config_.address) || http::is_local_name(host) ||
           std::find(config_.hosts.begin(), config_.hosts.end(), host) != config_.hosts.end();
  }

  std::string metrics() {
    std::vector<prometheus::MetricFamily> families = pools_->Collect();
    for (const auto& other : others()) {
      auto more = other->Collect();
      std::move(more.begin(), more.end(), std::back_inserter(families));
    }
    return prometheus::TextSerializer{}.Serialize(families);
  }

  std::vector<std::shared_ptr<prometheus::Collectable>> others() {
    std::vector<std::shared_ptr<prometheus::Collectable>> alive;
    const std::lock_guard lock{mutex_};
    for (const auto& weak : others_) {
      if (auto strong = weak.lock()) alive.push_back(std::move(strong));
    }
    return alive;
  }

  std::string json() {
    const std::vector<pool_sample> samples = pools_->samples();
    const health h = judge(samples);
    pools_json_frame frame;
    frame.unix_ms = milliseconds_of<std::chrono::system_clock>(std::chrono::system_clock::now());
    frame.monotonic_ms = milliseconds_of<std::chrono::steady_clock>(std::chrono::steady_clock::now());
    frame.ready = h.ready;
    frame.reason = h.reason;
    return pools_json(render(samples, resolution::every_bucket), frame, pools_->holders());
  }

  static void page(http::answer& a) {
    const page_with_policy p = make_page();
    a.content_type = "text/html; charset=utf-8";
    a.headers.push_back("Content-Security-Policy: " + p.policy);
    a.body = p.html;
  }

  health judge(const std::vector<pool_sample>& samples) {
    health h = watch_.judge(samples, std::chrono::steady_clock::now());
    if (!h.ready || !config_.not_ready) return h;
    if (auto reason = config_.not_ready()) return {false, std::move(*reason)};
    return h;
  }

  const exposer_config config_;
  const std::shared_ptr<collector> pools_;
  health_watch watch_;  // the server's thread only
  std::mutex mutex_;
  std::vector<std::weak_ptr<prometheus::Collectable>> others_;
  std::unique_ptr<http::server> server_;  // last: its thread uses all of the above
};

exposer::exposer(exposer_config config) : exposer(std::move(config), std::make_shared<collector>()) {}

exposer::exposer(exposer_config config, std::shared_ptr<collector> pools)
    : parts_{std::make_unique<parts>(std::move(config), std::move(pools))} {}

exposer::~exposer() = default;

void exposer::add(std::weak_ptr<prometheus::Collectable> others) { parts_->add(std::move(others)); }
collector& exposer::pools() noexcept { return parts_->pools(); }
std::uint16_t exposer::port() const noexcept { return parts_->port(); }

}  // namespace lido::inline v0::metrics
