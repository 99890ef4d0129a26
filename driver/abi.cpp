// Defines the one symbol that says with which Asio this library was built; see detail/abi.hpp.
#include <lido/driver/detail/abi.hpp>

namespace lido {
inline namespace v0 {
namespace detail {

template <long Version, int RecyclingCache, unsigned Traits>
const char asio_seen<Version, RecyclingCache, Traits>::library_was_built_with_another_asio = 0;

template struct asio_seen<ASIO_VERSION, asio_recycling_cache(), asio_traits()>;

}  // namespace detail
}  // namespace v0
}  // namespace lido
