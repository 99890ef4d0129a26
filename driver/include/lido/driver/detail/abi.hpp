// A guard at link time: Asio is header-only, and a program that sees another Asio than the library was built with
// (another version, another reactor, another allocator cache) breaks the one-definition rule in silence. Every
// translation unit that includes this header refers to a symbol whose name carries what it sees of Asio; the library
// defines the one that it was built with. Two that differ do not link.
#pragma once

#include <asio/detail/config.hpp>
#include <asio/version.hpp>

namespace lido {
inline namespace v0 {
namespace detail {

// What changes the layout or the behaviour of Asio's types. A bit each, so that the linker's message can be read back.
enum asio_trait : unsigned {
  asio_handler_tracking = 1,
  asio_epoll = 2,
  asio_io_uring = 4,
  asio_eventfd = 8,
  asio_timerfd = 16,
  asio_threads = 32,
  asio_buffer_debugging = 64,
  asio_exceptions = 128,
  asio_small_block_recycling = 256,
  asio_no_aligned_alloc = 512,
};

constexpr unsigned asio_traits() {
  unsigned traits = 0;
#if defined(ASIO_ENABLE_HANDLER_TRACKING) || defined(ASIO_CUSTOM_HANDLER_TRACKING)
  traits |= asio_handler_tracking;
#endif
#if defined(ASIO_HAS_EPOLL)
  traits |= asio_epoll;
#endif
#if defined(ASIO_HAS_IO_URING)
  traits |= asio_io_uring;
#endif
#if defined(ASIO_HAS_EVENTFD)
  traits |= asio_eventfd;
#endif
#if defined(ASIO_HAS_TIMERFD)
  traits |= asio_timerfd;
#endif
#if defined(ASIO_HAS_THREADS)
  traits |= asio_threads;
#endif
#if !defined(ASIO_DISABLE_BUFFER_DEBUGGING) && (defined(ASIO_ENABLE_BUFFER_DEBUGGING) || defined(_GLIBCXX_DEBUG))
  traits |= asio_buffer_debugging;
#endif
#if !defined(ASIO_NO_EXCEPTIONS)
  traits |= asio_exceptions;
#endif
#if !defined(ASIO_DISABLE_SMALL_BLOCK_RECYCLING)
  traits |= asio_small_block_recycling;
#endif
// Without it, Asio 1.22 decides by which header happened to be included first.
#if defined(ASIO_DISABLE_STD_ALIGNED_ALLOC)
  traits |= asio_no_aligned_alloc;
#endif
  return traits;
}

constexpr int asio_recycling_cache() {
#if defined(ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE)
  return ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE;
#else
  return 0;  // Asio's own default
#endif
}

template <long Version, int RecyclingCache, unsigned Traits>
struct asio_seen {
  static const char library_was_built_with_another_asio;
};

using asio_seen_here = asio_seen<ASIO_VERSION, asio_recycling_cache(), asio_traits()>;

#if defined(__has_attribute)
#if __has_attribute(retain)
#define LIDO_DETAIL_RETAIN [[gnu::used, gnu::retain]]
#endif
#endif
#if !defined(LIDO_DETAIL_RETAIN)
#define LIDO_DETAIL_RETAIN [[gnu::used]]
#endif

// Internal linkage on purpose: as an inline variable, the linker would keep one translation unit's reference and drop
// the mismatched others. Retained, since --gc-sections would drop a reference that nothing uses. The address is a
// link-time constant: no static constructor.
LIDO_DETAIL_RETAIN static const char* const asio_abi_reference = &asio_seen_here::library_was_built_with_another_asio;

#undef LIDO_DETAIL_RETAIN

}  // namespace detail
}  // namespace v0
}  // namespace lido
