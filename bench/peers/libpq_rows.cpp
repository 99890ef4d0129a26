// W4, W9i and W9o by libpq, as its documentation says.
#include "bench/peers/libpq_rows.hpp"

#include "bench/peers/rows.hpp"

#include <arpa/inet.h>
#include <endian.h>
#include <poll.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

namespace lido::bench {
namespace {

constexpr std::string_view peer = "libpq";

using result = std::unique_ptr<PGresult, decltype([](PGresult* r) { PQclear(r); })>;

template <class Int>
Int value_at(const PGresult* r, int row, int column) {
  Int raw;
  std::memcpy(&raw, PQgetvalue(r, row, column), sizeof raw);
  return raw;
}

void check(PGconn* c, const result& r, ExecStatusType wanted) {
  if (PQresultStatus(r.get()) != wanted) fail(PQerrorMessage(c));
}

void rows(PGconn* c, progress& p) {
  check(c, result(PQprepare(c, "rows", "SELECT a,b,c,d,e FROM rows1k", 0, nullptr)), PGRES_COMMAND_OK);
  std::uint64_t sum = 0;
  double floats = 0;
  while (p.take()) {
    const std::uint64_t begun = now_ns();
    const result r(PQexecPrepared(c, "rows", 0, nullptr, nullptr, nullptr, 1));
    check(c, r, PGRES_TUPLES_OK);
    const int count = PQntuples(r.get());
    if (count != 1000) fail("wrong number of rows");
    for (int i = 0; i < count; ++i) {
      const std::uint64_t bits = be64toh(value_at<std::uint64_t>(r.get(), i, 3));
      double d;
      std::memcpy(&d, &bits, sizeof d);
      floats += d;
      sum += ntohl(value_at<std::uint32_t>(r.get(), i, 0)) + be64toh(value_at<std::uint64_t>(r.get(), i, 1)) +
             static_cast<std::uint64_t>(PQgetlength(r.get(), i, 2)) + be64toh(value_at<std::uint64_t>(r.get(), i, 4));
    }
    p.finished(now_ns() - begun);
  }
  if (sum == 0 && floats == 0) fail("nothing was read");
}

void in(PGconn* c, progress& p) {
  check(c, result(PQexec(c, "TRUNCATE copied")), PGRES_COMMAND_OK);
  check(c, result(PQexec(c, "COPY copied FROM STDIN")), PGRES_COPY_IN);
  while (p.take()) {
    if (PQputCopyData(c, copy_line.data(), static_cast<int>(copy_line.size())) != 1) fail(PQerrorMessage(c));
    p.finished();
  }
  if (PQputCopyEnd(c, nullptr) != 1) fail(PQerrorMessage(c));
  const result r(PQgetResult(c));
  check(c, r, PGRES_COMMAND_OK);
  if (std::to_string(p.started()) != PQcmdTuples(r.get())) fail("wrong number of rows");
}

void out(PGconn* c, progress& p, std::size_t count) {
  check(c, result(PQexec(c, copy_out_sql(count).c_str())), PGRES_COPY_OUT);
  std::size_t lines = 0;
  char* row = nullptr;
  while (PQgetCopyData(c, &row, 0) > 0) {
    p.take();
    p.finished();
    ++lines;
    PQfreemem(row);
  }
  check(c, result(PQgetResult(c)), PGRES_COMMAND_OK);
  if (lines != count) fail("wrong number of rows");
}

}  // namespace

void many_rows(PGconn* c, const options& opt) {
  progress p(opt.count, opt.workload == "W4" ? opt.warmup : 0);
  if (opt.workload == "W4") {
    rows(c, p);
  } else if (opt.workload == "W9i") {
    in(c, p);
  } else {
    out(c, p, opt.count);
  }
  p.end();
  report(peer, opt, opt.count, p);
}

}  // namespace lido::bench
