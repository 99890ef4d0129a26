#include "driver/transport/look_up.hpp"

#include "driver/transport/helper_pool.hpp"

#include <asio/ip/tcp.hpp>

#include <netdb.h>

#include <cstring>
#include <exception>
#include <mutex>
#include <utility>

namespace lido::transport {
namespace {

constexpr std::size_t max_addresses = 32;

}  // namespace

looked_up system_look_up(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  looked_up result;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    result.failure = ::gai_strerror(error);
    return result;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  for (const addrinfo* item = found; item != nullptr && result.addresses.size() < max_addresses; item = item->ai_next) {
    asio::ip::tcp::endpoint where;
    if (item->ai_addrlen > where.capacity()) continue;
    std::memcpy(where.data(), item->ai_addr, item->ai_addrlen);
    result.addresses.emplace_back(where);
  }
  if (result.addresses.empty()) result.failure = "no address";
  return result;
}

// What the helper thread holds. Whoever is to be woken is null from the moment on that it may be gone.
struct look_up::mailbox {
  std::mutex mutex;
  asio::steady_timer* wake = nullptr;
  looked_up answer;

  void put(looked_up found) {
    const std::lock_guard lock(mutex);
    if (wake == nullptr) return;
    answer = std::move(found);
    std::exchange(wake, nullptr)->cancel();
  }

  void close() noexcept {
    const std::lock_guard lock(mutex);
    wake = nullptr;
  }
};

// The pending handler. An io_context that is destroyed destroys it, while its own parts are still alive: the mailbox
// closes in time.
struct look_up::waiting {
  std::shared_ptr<look_up> self;
  handler done;

  waiting(std::shared_ptr<look_up> s, handler d) noexcept : self(std::move(s)), done(std::move(d)) {}
  waiting(waiting&&) noexcept = default;
  ~waiting() {
    if (self) self->mailbox_->close();
  }
  void operator()(std::error_code /*cancelled, always*/) {
    looked_up found = self->take();
    if (!found.addresses.empty() || !found.failure.empty()) done(std::move(found));  // else nobody wants it
  }
};

look_up::look_up(asio::any_io_executor executor)
    : wake_(std::move(executor), asio::steady_timer::time_point::max()), mailbox_(std::make_shared<mailbox>()) {}

void look_up::start(look_up_function how, std::string host, std::uint16_t port, handler done) {
  mailbox_->wake = &wake_;
  wake_.async_wait(waiting(shared_from_this(), std::move(done)));
  auto job = [box = mailbox_, ask = std::move(how), name = std::move(host), port] {
    looked_up found;
    try {
      found = ask(name, port);
    } catch (const std::exception&) {
      found.failure = "the look-up itself failed";
    }
    box->put(std::move(found));
  };
  if (!run_on_helper(std::move(job), helper_job::unending)) mailbox_->put({{}, "too many look-ups are waiting"});
}

void look_up::cancel() noexcept {
  const std::lock_guard lock(mailbox_->mutex);
  if (mailbox_->wake != nullptr) std::exchange(mailbox_->wake, nullptr)->cancel();
}

looked_up look_up::take() noexcept {
  const std::lock_guard lock(mailbox_->mutex);
  return std::move(mailbox_->answer);
}

}  // namespace lido::transport
