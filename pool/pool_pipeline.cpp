// Acquire, run a pipeline, release in one.
#include <lido/pool/pool.hpp>

#include <utility>

namespace lido {
inline namespace v0 {

namespace {

asio::awaitable<pipeline_results> co_run(asio::awaitable<lease> acquire, pipeline work, op_options options) {
  lease db = co_await std::move(acquire);
  co_return co_await db->async_run(std::move(work), options);
}

}  // namespace

asio::awaitable<pipeline_results> pool::async_run(pipeline work, op_options options) {
  return co_run(async_acquire(options), std::move(work), options);
}

}  // namespace v0
}  // namespace lido
