#include "tests/fuzz/decoding.hpp"

#include <lido/driver/numeric.hpp>
#include <lido/driver/types/array.hpp>
#include <lido/driver/types/user_type.hpp>

namespace {

enum class mood { sad, ok };
struct address {
  std::string street;
  std::optional<int> number;
  mood feels = mood::ok;
  std::vector<lido::numeric> prices;
};
struct email {
  std::string text;
};

}  // namespace

template <>
struct lido::user_type<mood> {
  static constexpr std::string_view name = "mood";
  static constexpr std::array labels = {lido::label{mood::sad, "sad"}, lido::label{mood::ok, "ok"}};
};
template <>
struct lido::user_type<address> {
  static constexpr std::string_view name = "address";
};
template <>
struct lido::user_type<email> {
  static std::string to_server(const email& e) { return e.text; }
  static email from_server(std::string text) { return {std::move(text)}; }
};

using record = std::tuple<std::optional<std::int64_t>, std::string, std::vector<std::tuple<int, bool>>>;

LIDO_FUZZ_TARGET(user_types, input) {
  using namespace lido;
  fuzz::decode_one_of(input, fuzz::as<mood>{20000}, fuzz::as<address>{20000}, fuzz::as<email>{oid::text},
                      fuzz::as<record>{2249}, fuzz::as<std::vector<address>>{20001},
                      fuzz::as<std::vector<mood>>{20001});
}
