// From a call's arguments to the bytes of Bind.
#include "driver/wire/frontend.hpp"

#include <lido/driver/encode.hpp>

#include <benchmark/benchmark.h>

#include <string>

namespace {

void encode_one_integer(benchmark::State& state) {
  std::string out;
  for (auto _ : state) {
    const auto request = lido::detail::make_request("select $1::int", 42);
    out.clear();
    lido::wire::append_bind(out, "lido_1", request);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(encode_one_integer);

void encode_mixed_parameters(benchmark::State& state) {
  const std::string name(static_cast<std::size_t>(state.range(0)), 'x');
  std::string out;
  for (auto _ : state) {
    const auto request =
        lido::detail::make_request("insert into t values ($1, $2, $3, $4)", std::int64_t{7}, name, 2.5, true);
    out.clear();
    lido::wire::append_bind(out, "lido_1", request);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(encode_mixed_parameters)->Arg(20)->Arg(4096);

}  // namespace
