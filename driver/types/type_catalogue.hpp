// The numbers of types that are known by name, of one database: looked up once, kept until an error shows that they
// have changed. Any thread.
#pragma once

#include "driver/sync.hpp"

#include <lido/driver/detail/request.hpp>
#include <lido/driver/value.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace lido::types {

struct named_type {
  struct attribute {
    std::uint32_t type = 0;
    std::uint32_t base = 0;  // of a domain what it is made of, else the type itself
  };
  std::uint32_t number = 0;  // 0: there is none of that name
  std::uint32_t array = 0;
  std::vector<attribute> attributes;  // of a composite
};

// What asks for the columns that learn() takes. $1: the names.
std::string_view look_up_statement() noexcept;

struct fill_result {
  std::vector<std::string> missing;  // to be looked up first; nothing was filled in
  std::error_code error;             // else: a type that does not exist, a field of another type
  std::string context;
};

class type_catalogue {
 public:
  // Writes the numbers into a request that waits for them.
  fill_result fill(detail::request& into) const;
  void learn(const std::string& name, named_type type);
  void forget(const detail::request& which);

 private:
  using entry = std::shared_ptr<const named_type>;
  entry find(std::string_view name) const;

  mutable detail::mutex mutex_;
  std::map<std::string, entry, std::less<>> types_ LIDO_GUARDED_BY(mutex_);
};

// Whether an error of the server may come from a number that is no longer right: an object or a cast that is not there,
// a type that is another one, a value that does not fit, an internal look-up that failed.
bool shows_a_change(const std::error_code& ec);

// All numbers in a request that has uses: equal before and after a look-up when nothing has changed.
std::uint64_t numbers_print(const detail::request& of) noexcept;

}  // namespace lido::types
