#include "driver/session/statement_cache.hpp"

#include <absl/hash/hash.h>

#include <cassert>
#include <utility>

namespace lido::session {

std::size_t statement_cache::node_hash::operator()(const detail::request& key) const noexcept {
  // The text is mixed well; the types, few and mostly equal for equal texts, only need to differ.
  std::uint64_t hash = absl::HashOf(key.sql());
  for (const std::uint32_t oid : key.types()) hash = (hash ^ oid) * 0x9e3779b97f4a7c15U;
  return hash;
}

bool statement_cache::node_equal::operator()(const node* a, const detail::request& b) const noexcept {
  if (a->types.size() != b.types().size() || a->sql != b.sql()) return false;
  for (std::size_t i = 0; i < a->types.size(); ++i) {  // a few at most: less work than std::equal's call of memcmp
    if (a->types[i] != b.types()[i]) return false;
  }
  return true;
}

statement_cache::statement_cache(std::size_t capacity, std::size_t max_bytes, std::string prefix)
    : capacity_(capacity), max_bytes_(max_bytes), prefix_(std::move(prefix)) {}

statement_cache::~statement_cache() = default;

statement_cache::entry* statement_cache::find(const detail::request& statement) {
  if (!recent_.empty() && node_equal{}(&recent_.front(), statement)) return &recent_.front();  // again
  const auto found = index_.find(statement);
  if (found == index_.end()) return nullptr;
  node* const hit = *found;
  recent_.splice(recent_.begin(), recent_, hit->self);
  return hit;
}

statement_cache::entry* statement_cache::insert(const detail::request& statement) {
  const std::size_t size = statement.sql().size();
  if (capacity_ == 0 || size > max_cached_text || size > max_bytes_) return nullptr;
  if (entry* const known = find(statement)) return known;
  while (!recent_.empty() && (recent_.size() >= capacity_ || size > max_bytes_ - bytes_)) evict(&recent_.back());

  std::list<node> fresh(1);
  node& added = fresh.front();
  // A name is never given twice: the server may still know an old one.
  added.name = prefix_ + std::to_string(++names_given_);
  added.sql = statement.sql();
  added.types = statement.types();
  added.hash = node_hash{}(statement);
  added.self = fresh.begin();
  index_.insert(&added);
  bytes_ += size;
  recent_.splice(recent_.begin(), fresh);
  return &added;
}

void statement_cache::erase(entry* e) noexcept {
  assert(e != nullptr);
  node* const gone = static_cast<node*>(e);
  index_.erase(gone);
  bytes_ -= gone->sql.size();
  recent_.erase(gone->self);
}

void statement_cache::evict(entry* e) {
  assert(e != nullptr);
  closable_.push_back(e->name);
  erase(e);
}

void statement_cache::evict_all() {
  while (!recent_.empty()) evict(&recent_.back());
}

void statement_cache::clear() noexcept {
  index_.clear();
  recent_.clear();
  bytes_ = 0;
  closable_.clear();
}

std::vector<std::string> statement_cache::take_closable() noexcept { return std::exchange(closable_, {}); }

std::size_t statement_cache::size() const noexcept { return recent_.size(); }

}  // namespace lido::session
