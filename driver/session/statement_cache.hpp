// Prepared statements of one connection: least recently used ones go first, bounded by count and by the bytes of
// their texts. Sans-io: names to close are handed out and travel with the next segment. One operation at a time runs on
// a session, so that no statement is ever prepared twice at once.
#pragma once

#include "driver/session/dirt.hpp"

#include <lido/driver/detail/raw_result.hpp>
#include <lido/driver/detail/request.hpp>

#include <absl/container/flat_hash_set.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lido::session {

inline constexpr std::size_t max_cached_text = 64U << 10;

class statement_cache {
 public:
  struct entry {
    std::string name;                                        // on the server
    std::shared_ptr<const detail::row_description> columns;  // null: the statement gives no rows
    bool prepared = false;                                   // ParseComplete was seen
    bool commits = false;  // its class, for the owner: looking at the text each time is 350 instructions
    dirt leaves = dirt::none;
  };

  // `prefix`: of the names on the server. Behind a pooler another client's statements may be there, too: no two clients
  // should have the same. Names of up to 15 bytes are as cheap as any.
  explicit statement_cache(std::size_t capacity, std::size_t max_bytes = SIZE_MAX, std::string prefix = "lido_");
  ~statement_cache();
  statement_cache(const statement_cache&) = delete;
  statement_cache& operator=(const statement_cache&) = delete;

  // The entry for this text and these parameter types, made most recent; null when there is none. No allocation on a
  // hit.
  [[gnu::hot]] entry* find(const detail::request& statement);
  // Adds one (not yet prepared) with a fresh name; may evict the oldest, whose names then wait in take_closable(). Null
  // when capacity is 0 or the text is longer than max_cached_text, or than all may be: such a statement is better
  // prepared anew than kept.
  // One that is there already is answered as it is. Pointers stay valid until the entry is erased or evicted.
  entry* insert(const detail::request& statement);
  void erase(entry* e) noexcept;  // it never came to exist, or the server forgot it: nothing to close
  void evict(entry* e);           // stale plan: close it with the next segment
  void evict_all();               // the server may have forgotten some of them: a Close does no harm then
  void clear() noexcept;          // DISCARD ALL, DEALLOCATE ALL
  std::vector<std::string> take_closable() noexcept;
  bool has_closable() const noexcept { return !closable_.empty(); }
  std::size_t size() const noexcept;
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct node : entry {
    std::string sql;
    detail::request::type_list types;
    std::size_t hash = 0;
    std::list<node>::iterator self;
  };
  // Nodes are looked up by a request without building one.
  struct node_hash {
    using is_transparent = void;
    std::size_t operator()(const node* key) const noexcept { return key->hash; }
    std::size_t operator()(const detail::request& key) const noexcept;
  };
  struct node_equal {
    using is_transparent = void;
    bool operator()(const node* a, const node* b) const noexcept { return a == b; }
    [[gnu::hot]] bool operator()(const node* a, const detail::request& b) const noexcept;
  };

  std::size_t capacity_;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;  // of all texts
  const std::string prefix_;
  std::uint64_t names_given_ = 0;
  std::list<node> recent_;  // most recently used first
  absl::flat_hash_set<node*, node_hash, node_equal> index_;
  std::vector<std::string> closable_;
};

}  // namespace lido::session
