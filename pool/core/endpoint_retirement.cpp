// Generations of single hosts, told by the one number that every return compares: a host that is retired begins a new
// generation, and the connections to the others move along into it.
#include "pool/core/pool_core.hpp"

namespace lido::inline v0::core {

void pool_core::retire_endpoint(endpoint_id where, time_point now, action_list& out) {
  observe_time(now);
  replace_older(where, out);
  serve(now, out);
}

void pool_core::retire(slot_id id, time_point now, action_list& out) {
  observe_time(now);
  slot* s = slots_.find(id);
  if (s == nullptr || s->state == slot_state::closing || s->state == slot_state::connecting) return;
  const bool unused = s->state == slot_state::idle || s->state == slot_state::validating || s->granted_to != nullptr;
  s->generation = generation_ - 1;
  if (unused) close(id.index, close_reason::stale_generation, out);
  serve(now, out);
}

void pool_core::replace_older(endpoint_id where, action_list& out) {
  if (where >= most_endpoints) return replace_older(out);
  const std::uint32_t before = generation_++;
  retired_in_[where] = generation_;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    slot& s = slots_[i];
    if (s.state == slot_state::connecting) continue;  // where to is not known yet
    if (s.endpoint != where) {
      if (s.generation == before) s.generation = generation_;
      continue;
    }
    const bool unused = s.state == slot_state::idle || s.state == slot_state::validating || s.granted_to != nullptr;
    if (unused) close(i, close_reason::stale_generation, out);
  }
}

// A connect that began in an older generation is as good as a new one, unless its own host was retired since.
void pool_core::settle_generation(slot& s, endpoint_id where) noexcept {
  s.endpoint = where;
  const std::uint32_t retired =
      where < most_endpoints && retired_in_[where] > all_retired_ ? retired_in_[where] : all_retired_;
  if (s.generation >= retired) s.generation = generation_;
}

}  // namespace lido::inline v0::core
