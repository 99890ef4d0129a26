#include "driver/transport/address.hpp"
#include "driver/transport/look_up.hpp"

#include <lido/driver/detail/addresses.hpp>
#include <lido/driver/detail/knobs.hpp>

#include <asio/post.hpp>

#include <memory>
#include <utility>

namespace lido {
inline namespace v0 {
namespace detail {

bool has_look_up(const host_entry& host) {
  return !is_unix_socket(host) && host.hostaddr.empty() && !transport::is_numeric_address(host.host);
}

std::function<void()> look_up_addresses(const asio::any_io_executor& executor, const host_entry& host,
                                        std::function<void(std::vector<std::string>)> done) {
  if (!has_look_up(host)) {
    asio::post(executor, [done = std::move(done)] { done({}); });
    return [] {};
  }
  const auto look_up = std::make_shared<transport::look_up>(executor);
  look_up->start(&transport::system_look_up, host.host, host.port,
                 [done = std::move(done)](const transport::looked_up& found) {
                   std::vector<std::string> addresses;
                   for (const transport::endpoint& each : found.addresses)
                     addresses.push_back(transport::describe(each));
                   done(std::move(addresses));
                 });
  return [weak = std::weak_ptr(look_up)] {
    if (const auto one = weak.lock()) one->cancel();
  };
}

}  // namespace detail
}  // namespace v0
}  // namespace lido
