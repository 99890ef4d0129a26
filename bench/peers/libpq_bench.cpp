// libpq, non-blocking, one epoll loop; one statement in flight a connection, the tasks are a queue of times; W5: its
// pipeline mode. W2, W3, W5, W7, W8, W10.
#include "bench/peers/libpq_rows.hpp"
#include "bench/peers/measure.hpp"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <memory>

using namespace lido::bench;

namespace {

constexpr std::string_view peer = "libpq";

using result = std::unique_ptr<PGresult, decltype([](PGresult* r) { PQclear(r); })>;

PGconn* connect(const options& opt) {
  const std::string dsn =
      "host=" + opt.host + " port=" + std::to_string(opt.port) + " user=" + opt.user + " dbname=" + opt.database +
      " gssencmode=disable sslmode=" + (opt.tls ? "verify-full sslrootcert=" + opt.ca_file : std::string("disable"));
  PGconn* const c = PQconnectdb(dsn.c_str());
  if (PQstatus(c) != CONNECTION_OK) fail(PQerrorMessage(c));
  return c;
}

PGconn* dial(const options& opt) {
  PGconn* const c = connect(opt);
  const result prepared(PQprepare(c, "q", "SELECT $1::int", 1, nullptr));
  if (PQresultStatus(prepared.get()) != PGRES_COMMAND_OK) fail(PQerrorMessage(c));
  PQsetnonblocking(c, 1);
  return c;
}

void queue(PGconn* c, std::int32_t value) {
  const std::uint32_t big = htonl(static_cast<std::uint32_t>(value));
  const std::array<const char*, 1> values{reinterpret_cast<const char*>(&big)};
  const std::array<int, 1> lengths{4};
  const std::array<int, 1> formats{1};
  if (PQsendQueryPrepared(c, "q", 1, values.data(), lengths.data(), formats.data(), 1) == 0) fail(PQerrorMessage(c));
}

void ask(PGconn* c, std::int32_t value) {
  queue(c, value);
  PQflush(c);
}

void check(const PGresult* r, std::int32_t expected) {
  if (PQresultStatus(r) != PGRES_TUPLES_OK) fail(PQresultErrorMessage(r));
  std::uint32_t big = 0;
  std::memcpy(&big, PQgetvalue(r, 0, 0), sizeof big);
  if (static_cast<std::int32_t>(ntohl(big)) != expected) fail("wrong value");
}

struct slot {
  PGconn* c = nullptr;
  std::int32_t asked = 0;
  std::uint64_t since = 0;
};

class query_loop {
 public:
  query_loop(const options& opt)
      : opt_(opt), clock_(opt.count, opt.warmup), slots_(opt.connections), left_(opt.count + opt.warmup) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      slots_[i].c = dial(opt);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, PQsocket(slots_[i].c), &event);
    }
  }

  // `tasks` are waiting at the start; with `again`, each queues anew when its query has ended. W7 wants the time until
  // a connection is had, the others the whole.
  const progress& run(std::size_t tasks, bool again) {
    again_ = again;
    for (std::size_t i = 0; i < tasks; ++i) waiting_.push_back(now_ns());
    for (slot& s : slots_) start(s);
    std::array<epoll_event, 64> events{};
    while (left_ > 0) {
      const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < n; ++i) on_readable(slots_[events[static_cast<std::size_t>(i)].data.u64]);
    }
    clock_.end();
    return clock_;
  }

 private:
  void start(slot& s) {
    if (waiting_.empty() || !clock_.take()) return;
    s.since = waiting_.front();
    waiting_.pop_front();
    if (!again_) clock_.finished(now_ns() - s.since);
    s.asked = static_cast<std::int32_t>(clock_.started());
    ask(s.c, s.asked);
  }

  void on_readable(slot& s) {
    if (PQconsumeInput(s.c) == 0) fail(PQerrorMessage(s.c));
    while (PQisBusy(s.c) == 0) {
      const result r(PQgetResult(s.c));
      if (r) {
        check(r.get(), s.asked);
        continue;
      }
      const std::uint64_t now = now_ns();
      --left_;
      if (again_) {
        clock_.finished(now - s.since);
        waiting_.push_back(now);
      }
      start(s);
      return;
    }
  }

  options opt_;
  progress clock_;
  std::vector<slot> slots_;
  std::size_t left_;
  bool again_ = true;
  std::deque<std::uint64_t> waiting_;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
};

// A hundred queries, one Sync.
void batches(const options& opt) {
  constexpr std::int32_t batch_size = 100;
  PGconn* const c = dial(opt);
  PQenterPipelineMode(c);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event readable{};
  readable.events = EPOLLIN;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, PQsocket(c), &readable);
  const auto next = [c, epoll] {
    while (PQisBusy(c) != 0) {
      epoll_event event{};
      ::epoll_wait(epoll, &event, 1, -1);
      if (PQconsumeInput(c) == 0) fail(PQerrorMessage(c));
    }
    return result(PQgetResult(c));
  };
  progress p(opt.count, opt.warmup);
  while (p.take()) {
    const std::uint64_t begun = now_ns();
    for (std::int32_t i = 0; i < batch_size; ++i) queue(c, i);
    PQpipelineSync(c);
    PQflush(c);
    std::int32_t answered = 0;
    for (;;) {
      const result r = next();
      if (!r) continue;
      if (PQresultStatus(r.get()) == PGRES_PIPELINE_SYNC) break;
      check(r.get(), answered++);
    }
    if (answered != batch_size) fail("answers are missing");
    p.finished(now_ns() - begun);
  }
  p.end();
  report(peer, opt, opt.count * batch_size, p);
}

void crowd(const options& opt) {
  query_loop loop(opt);
  const progress& p = loop.run(opt.count, false);
  double sum = 0;
  for (const std::uint64_t each : p.latencies()) sum += static_cast<double>(each);
  const auto longest = static_cast<double>(*std::max_element(p.latencies().begin(), p.latencies().end()));
  report(peer, opt, opt.count, p, {{"max_mean", longest / (sum / static_cast<double>(opt.count))}});
}

void connects(const options& opt) {
  progress p(opt.count, opt.warmup);
  while (p.take()) {
    const std::uint64_t begun = now_ns();
    PGconn* const c = connect(opt);
    p.finished(now_ns() - begun);
    PQfinish(c);
  }
  p.end();
  report(peer, opt, opt.count, p);
}

void memory(const options& opt) {
  dial(opt);  // what is paid once
  const std::int64_t before = status_kib("VmRSS");
  progress p(opt.count, 0);
  for (std::size_t i = 0; i < opt.count; ++i) {
    PGconn* const c = dial(opt);
    PQsetnonblocking(c, 0);
    ask(c, 1);
    while (const result r{PQgetResult(c)}) check(r.get(), 1);
  }
  p.end();
  const auto grown = static_cast<double>(status_kib("VmRSS") - before);
  report(peer, opt, opt.count, p, {{"kb_conn", grown / static_cast<double>(opt.count)}});
}

}  // namespace

int main(int argc, char** argv) {
  const options opt = options::read(argc, argv);
  if (opt.workload.starts_with("W8")) {
    memory(opt);
  } else if (opt.workload.starts_with("W10")) {
    connects(opt);
  } else if (opt.workload == "W4" || opt.workload.starts_with("W9")) {
    PGconn* const c = dial(opt);
    PQsetnonblocking(c, 0);
    many_rows(c, opt);
    PQfinish(c);
  } else if (opt.workload == "W5") {
    batches(opt);
  } else if (opt.workload == "W7") {
    crowd(opt);
  } else if (opt.workload == "W2" || opt.workload == "W3") {
    query_loop loop(opt);
    report(peer, opt, opt.count, loop.run(opt.tasks, true));
  } else {
    return 3;
  }
}
