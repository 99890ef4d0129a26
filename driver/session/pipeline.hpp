// One pipeline on its way: its statements encoded bit by bit, as fast as the socket takes them, and its answers
// collected as they come. Sans-io: bytes are handed over; session::protocol keeps the order of what is owed.
#pragma once

#include "driver/session/dirt.hpp"
#include "driver/session/protocol.hpp"
#include "driver/session/statement_cache.hpp"
#include "driver/wire/limits.hpp"

#include <lido/driver/detail/pipeline_content.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace lido::session {

class pipeline {
 public:
  pipeline(std::shared_ptr<detail::pipeline_content> content, statement_cache& cache, protocol& wire);

  // What all of its statements together may leave behind; those that are new are in the cache from here on. Begins the
  // protocol's segment. Once, before anything else.
  dirt begin();
  // Writes until about `enough` bytes were added or all of it is out.
  void feed(std::string& out, std::size_t enough);
  bool fed() const noexcept { return closed_; }
  // Nothing more: the Sync that is still owed. What was not written will not be. True when there was something to
  // write.
  bool cut(std::string& out);

  // Collects answers from what came; the rest is for protocol::on_frame() and the functions below. `keep` false: nobody
  // wants them any more. Answers how many bytes that took. Throws bad_alloc; the bytes are then taken, and lost.
  std::size_t take(std::string_view bytes, const wire::limits& bounds, bool keep);
  void on_row(const wire::frame& frame);
  void on_complete(const wire::frame& frame);
  // Of the statement being answered; `error` is what its user is told.
  void on_error(std::error_code error, diagnostics diag);
  // The last ReadyForQuery came: the cache learns which statements exist and, with `keep`, what was not run says so.
  void finish(bool keep);
  // The session is gone with this error, and nothing more is written to the answers. What was not answered has it.
  // Throws bad_alloc: nobody may read them then.
  void lost(std::error_code error, const diagnostics& diag);

  // All or nothing, and the first statement of all was refused because the plan that the server had for it, or all of
  // the statement, is gone: nothing has run. Outside of a transaction the whole may be run again, behind a fresh Parse.
  bool may_run_again() const noexcept { return stale_at_front_; }

  const detail::pipeline_content& content() const noexcept { return *content_; }
  std::size_t answered() const noexcept { return content_->answers.size(); }
  std::size_t result_bytes() const noexcept { return content_->answered.size(); }
  bool sync_each() const noexcept { return content_->sync_each; }

 private:
  static constexpr std::uint32_t nobody = UINT32_MAX;

  struct prepared {
    std::string name;      // on the server; empty: the unnamed statement, parsed wherever it is needed
    std::string front;     // of its Bind: from the portal's name to the number of values
    bool known = false;    // was there before
    bool written = false;  // its Parse is on its way
    std::uint32_t failed = detail::pipeline_answer::none;  // the Parse that we wrote
  };
  struct collector;

  void admit(const detail::request& text, prepared& made);
  bool wants_parse(std::uint32_t which) const noexcept;
  std::uint32_t run_length(std::uint32_t which) const noexcept;
  void write_runs(std::string& out, std::uint32_t which, std::uint32_t count);
  void note_failure(std::error_code error, diagnostics diag);
  void answer(std::size_t begin, std::uint32_t rows);
  void note_description(const std::shared_ptr<const detail::row_description>& columns);
  std::string place_of(std::size_t index) const;

  const std::shared_ptr<detail::pipeline_content> content_;
  statement_cache& cache_;
  protocol& wire_;
  std::vector<prepared> statements_;
  std::size_t next_ = 0;            // item to write
  std::uint32_t unnamed_ = nobody;  // what the unnamed statement is, behind what was written
  std::size_t row_begin_ = 0;       // of the item being answered
  std::uint32_t rows_ = 0;
  std::size_t whole_ = 0;                               // answers whose bytes are all there
  const detail::row_description* described_ = nullptr;  // the newest of the descriptions, and its number
  std::uint32_t description_ = detail::pipeline_answer::none;
  bool closed_ = false;
  bool tags_matter_ = false;  // each is looked at
  bool stale_at_front_ = false;
};

}  // namespace lido::session
