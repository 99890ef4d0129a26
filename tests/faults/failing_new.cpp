#include "tests/faults/failing_new.hpp"

#include <cstdlib>
#include <new>

namespace {

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): operator new has no other place to look at
constinit thread_local std::size_t left = 0;
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): as above
constinit thread_local std::size_t least = 0;
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): as above
constinit thread_local bool failed = false;

bool is_the_one(std::size_t size) noexcept {
  if (left == 0 || size < least || --left != 0) return false;
  failed = true;
  return true;
}

void* allocate(std::size_t size) {
  void* const got = is_the_one(size) ? nullptr : std::malloc(size != 0 ? size : 1);
  if (got == nullptr) throw std::bad_alloc();
  return got;
}

}  // namespace

// The forms with an alignment stay the library's: what they allocate is aligned storage of a few queues.
void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return is_the_one(size) ? nullptr : std::malloc(size != 0 ? size : 1);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return is_the_one(size) ? nullptr : std::malloc(size != 0 ? size : 1);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }

namespace lido::testing::failing_new {

void arm(std::size_t nth, std::size_t at_least) noexcept {
  failed = false;
  least = at_least;
  left = nth;
}
void disarm() noexcept { left = 0; }
bool has_failed() noexcept { return failed; }

}  // namespace lido::testing::failing_new
