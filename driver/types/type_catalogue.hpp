// The numbers of types that are known by name, of one database: looked up once, kept until an error shows that they
// have changed. Any thread.
#pragma once

#include "driver/sync.hpp"

#include <lido/driver/detail/request.hpp>
#include <lido/driver/detail/row_plan.hpp>
#include <lido/driver/value.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace lido::types {

struct named_type {
  struct attribute {
    std::uint32_t type = 0;
    std::uint32_t base = 0;     // what it is made of below all domains: of an array of a domain, the array of its base
    std::uint32_t element = 0;  // of an array of a domain, the domain: an array says in itself what it is made of
  };
  std::uint32_t number = 0;  // 0: there is none of that name
  std::uint32_t array = 0;
  std::uint32_t base = 0;             // below all domains: what its columns say they are
  std::uint32_t base_array = 0;       // the array of that
  std::vector<attribute> attributes;  // of a composite, or a domain over one
  std::vector<std::uint32_t> others;  // of the same name in other schemas, of which a column was
};

// What asks for the columns that learn() takes. $1: the names.
std::string_view look_up_statement();
// What asks what a type is, by its number ($1): its name with the schema, its own, and that of its elements.
std::string_view describe_statement() noexcept;

struct fill_result {
  std::error_code error;  // a type that does not exist, or is not known; a field of another type
  std::string context;
};

struct type_number {
  std::uint32_t number = 0;
  std::uint32_t element = 0;  // of a field that is an array of a domain, for put_element()
};
// Of the field whose type is written at `field`, an array, unless it is NULL.
void put_element(std::string& bytes, std::size_t field, std::uint32_t element) noexcept;

class type_catalogue {
 public:
  // What is to be looked up before fill(): all names that a request waits for, those that do not exist among them, and
  // names of columns that nobody has asked for yet.
  std::vector<std::string> missing(const detail::request& statement,
                                   std::span<const detail::column_claim> read = {}) const;
  std::vector<std::string> missing(const std::vector<std::string>& names) const;
  // Writes the numbers into a request, or the statements and values of a pipeline, that waits for them.
  fill_result fill(detail::request& into) const;
  // The number for one place.
  fill_result number_for(const detail::type_use& use, type_number& into) const;
  // Of a name as it is written in C++; 0: not known.
  std::uint32_t number_of(const detail::type_ref& what) const;
  // Whether a column of this type is what its name says, as far as is known.
  bool fits(const detail::type_ref& what, std::uint32_t column) const;

  void learn(const std::string& name, named_type type);
  void learn_other(std::string_view name, std::uint32_t number);
  void forget(const detail::request& which);
  void forget(const detail::pipeline_content& which);
  void forget(std::string_view name);

 private:
  void forget(const detail::type_use& use);
  using entry = std::shared_ptr<const named_type>;
  entry find(std::string_view name) const;

  mutable detail::mutex mutex_;
  std::map<std::string, entry, std::less<>> types_ LIDO_GUARDED_BY(mutex_);
};

// Whether an error of the server may come from a number that is no longer right: an object or a cast that is not there,
// a type that is another one, a value that does not fit, an internal look-up that failed.
bool shows_a_change(const std::error_code& ec);

// All numbers in a request that has uses: equal before and after a look-up when nothing has changed.
std::uint64_t numbers_fingerprint(const detail::request& of) noexcept;

}  // namespace lido::types
