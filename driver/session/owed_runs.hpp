// What a pipeline is owed: which statements were written, in order, and what their rows look like. Runs of one
// statement behind one another are one entry. Sans-io; part of session::protocol.
#pragma once

#include <lido/driver/detail/raw_result.hpp>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace lido::session {

class owed_runs {
 public:
  struct run {
    std::uint32_t statement = 0;
    std::uint32_t count = 0;
    std::size_t parameters = 0;
    bool prepare = false;  // Parse and Describe stand in front of the first
  };
  // Of one statement, as far as this pipeline has seen it.
  struct known {
    std::shared_ptr<const detail::row_description> columns;
    bool parsed = false;     // ParseComplete came
    bool described = false;  // and what it describes
  };

  explicit owed_runs(bool sync_each) : sync_each_(sync_each) {}

  bool sync_each() const noexcept { return sync_each_; }
  void expect(const run& r) {
    if (r.count > 0) runs_.push_back(r);
  }
  void close() noexcept { closed_ = true; }
  bool closed() const noexcept { return closed_; }  // nothing more will be written

  bool any() const noexcept { return head_ < runs_.size(); }
  const run& front() const noexcept { return runs_[head_]; }
  // The first one was answered; of what is behind it in the same entry, none is prepared again.
  void ended() noexcept {
    assert(any());
    run& first = runs_[head_];
    first.prepare = false;
    if (--first.count == 0 && ++head_ == runs_.size()) clear();
  }
  // The same, when that is one of several in a row; false: it is not, and nothing was done.
  bool ended_in_a_row() noexcept {
    run& first = runs_[head_];
    if (first.count < 2 || first.prepare) return false;
    --first.count;
    return true;
  }
  void clear() noexcept {
    runs_.clear();
    head_ = 0;
  }

  known& statement(std::uint32_t which) {
    if (which >= statements_.size()) statements_.resize(which + 1);
    return statements_[which];
  }

 private:
  std::vector<run> runs_;
  std::size_t head_ = 0;
  std::vector<known> statements_;
  const bool sync_each_;
  bool closed_ = false;
};

}  // namespace lido::session
