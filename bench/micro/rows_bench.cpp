// From the bytes of DataRow to C++ values.
#include <lido/driver/result.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

namespace {

constexpr std::size_t rows = 1000;

// (int4, int8, text) as the server sends them in binary.
lido::detail::raw_result three_columns() {
  using namespace std::string_view_literals;
  lido::detail::row_description columns(3);
  columns[0].type_oid = lido::oid::int4;
  columns[1].type_oid = lido::oid::int8;
  columns[2].type_oid = lido::oid::text;
  lido::detail::raw_result raw;
  raw.columns = std::make_shared<const lido::detail::row_description>(std::move(columns));
  for (std::size_t i = 0; i < rows; ++i) {
    raw.bytes += "\0\3\0\0\0\4\0\0\0\7\0\0\0\x8\0\0\0\0\0\0\0\x9\0\0\0\x14"sv;
    raw.bytes += "abcdefghijklmnopqrst";
    raw.ends.push_back(raw.bytes.size());
  }
  return raw;
}

template <class Row, class Use>
void decode(benchmark::State& state, Use use) {
  lido::result<Row> result(three_columns());
  lido::detail::lazy_diagnostics diag;
  if (result.bind(diag)) return state.SkipWithError("columns do not fit");
  for (auto _ : state) {
    for (const auto& each : result) benchmark::DoNotOptimize(use(each));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows));
}

void rows_into_tuples_that_copy(benchmark::State& state) {
  using row = std::tuple<std::int32_t, std::int64_t, std::string>;
  decode<row>(state, [](const row& r) { return std::get<1>(r) + static_cast<std::int64_t>(std::get<2>(r).size()); });
}
BENCHMARK(rows_into_tuples_that_copy);

void rows_into_tuples_that_look(benchmark::State& state) {
  using row = std::tuple<std::int32_t, std::int64_t, std::string_view>;
  decode<row>(state, [](const row& r) { return std::get<1>(r) + static_cast<std::int64_t>(std::get<2>(r).size()); });
}
BENCHMARK(rows_into_tuples_that_look);

}  // namespace
