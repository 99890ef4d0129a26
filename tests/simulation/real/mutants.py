"""Copies of the pool's sources in which one rule at a time can be broken: mutants.py SOURCE_DIR OUTPUT_DIR

Each rule is named with the text that keeps it, which must be in its file exactly once, and the text that breaks it.
"""
import pathlib
import sys

CHANNEL = "pool/recovery/control_channel.cpp"
SESSION = "pool/recovery/control_session.cpp"
CONTROL = "pool/pool_control.cpp"
RELOAD = "pool/pool_reconfigure.cpp"
HOSTS = "pool/pool_hosts.cpp"
KEEPING = "pool/pool_keeping.cpp"
ENDPOINTS = "pool/core/endpoints.cpp"
RETIREMENT = "pool/core/endpoint_retirement.cpp"

MUTANTS = [
    # A statement that was not answered is forgotten, and another way is tried.
    ("unknown_is_missed", CHANNEL, "end_statement(outcome::unknown, false);",
     'end_statement(is_mutant("unknown_is_missed") ? outcome::missed : outcome::unknown, false);'),
    # A new connection is used though its pid is in a statement that is on its way ...
    ("no_pid_fence", CHANNEL, "waiting_.emplace_back(pid, name);",
     'if (is_mutant("no_pid_fence")) return admission::use;\n  waiting_.emplace_back(pid, name);'),
    # ... or in one whose session was lost.
    ("forgets_ghosts", CHANNEL, "if (!g.pids.empty()) ghosts_",
     'if (!g.pids.empty() && !is_mutant("forgets_ghosts")) ghosts_'),
    # Those who waited for the answer are let in when it is lost.
    ("admits_on_loss", CHANNEL, "work_.admitted.emplace_back(name, use_new_ones);",
     'work_.admitted.emplace_back(name, use_new_ones || is_mutant("admits_on_loss"));'),
    # Nobody looks who has a pid before it is signalled.
    ("cancels_unseen", CHANNEL, "found->second.state == look::known;",
     '(found->second.state == look::known || is_mutant("cancels_unseen"));'),
    # Who is not asked any more right before the statement is written, may be quiet and somebody else's.
    ("does_not_ask", SESSION, "if (who->may_write()) wanted", 'if (is_mutant("does_not_ask") || who->may_write()) wanted'),
    # The control session outlives the pool.
    ("control_stays_open", CONTROL, "for (const auto& each : all) each->close(one_less);",
     'for (const auto& each : all) is_mutant("control_stays_open") ? one_less() : each->close(one_less);'),
    # A rolling change retires nothing.
    ("no_new_generation", RELOAD, "if (p.rolling) c.new_generation(now, out);",
     'if (p.rolling && !is_mutant("no_new_generation")) c.new_generation(now, out);'),
    # What only a restart can change is changed.
    ("restart_knobs_change", RELOAD, "refuse_restarts(name_, p.changes);",
     'if (!is_mutant("restart_knobs_change")) refuse_restarts(name_, p.changes);'),
    # What a watch has seen of a host is nobody's concern.
    ("blind_watch", HOSTS, "retire_all(endpoints_.seen(host, what), steady_now(), c, out);",
     'if (!is_mutant("blind_watch")) retire_all(endpoints_.seen(host, what), steady_now(), c, out);'),
    # A promoted standby keeps its readers.
    ("deaf_to_promotions", HOSTS, "retire_all(endpoints_.role_changed(host, role_for_core(now)), at, c, out);",
     'if (!is_mutant("deaf_to_promotions"))\n'
     '      retire_all(endpoints_.role_changed(host, role_for_core(now)), at, c, out);'),
    # A connection to an address that the name has left stays.
    ("stays_at_an_old_address", HOSTS, "m->session->address()) == now.end()) gone",
     'm->session->address()) == now.end() && !is_mutant("stays_at_an_old_address")) gone'),
    # Where another one is the primary now, the old one's connections are lent on.
    ("two_primaries", ENDPOINTS, "if (primary_ != no_endpoint) retired.add(primary_);",
     'if (primary_ != no_endpoint && !is_mutant("two_primaries")) retired.add(primary_);'),
    # A standby is used however far behind it is.
    ("any_lag_will_do", ENDPOINTS, "return max_lag_ > duration::zero() && h.lag > max_lag_;",
     'return max_lag_ > duration::zero() && h.lag > max_lag_ && !is_mutant("any_lag_will_do");'),
    # The end of one host is the end of all.
    ("one_generation_for_all", RETIREMENT, "if (where >= most_endpoints) return",
     'if (where >= most_endpoints || is_mutant("one_generation_for_all")) return'),
    # Nobody gives back what it keeps, whoever waits and whatever happens ...
    ("nobody_is_called_in", KEEPING, "while (loan* const kept = cache_.shut_next())",
     'if (is_mutant("nobody_is_called_in")) return;\n  while (loan* const kept = cache_.shut_next())'),
    # ... or what was out meanwhile is kept when it comes back.
    ("one_era", KEEPING, "cache_.open_here(now + thread_cache::term);",
     'cache_.open_here(now + thread_cache::term);\n  for (const auto& who : members_)\n'
     '    if (is_mutant("one_era") && who && who->out != nullptr) who->out->era = cache_.era();'),
]

# Where these are noticed in a late schedule, it is tried first; should it not notice any more, all are tried.
NOTICED = {"nobody_is_called_in": 3175, "one_era": 319, "no_pid_fence": 1054, "forgets_ghosts": 202, "admits_on_loss": 1054, "deaf_to_promotions": 846, "stays_at_an_old_address": 284,
           "any_lag_will_do": 234, "one_generation_for_all": 576}


def main():
    source, output = map(pathlib.Path, sys.argv[1:])
    texts = {}
    for name, file, kept, broken in MUTANTS:
        text = texts.setdefault(file, (source / file).read_text())
        if text.count(kept) != 1:
            sys.exit(f"mutants.py: {name}: {file} has {text.count(kept)} times, not once: {kept}")
        texts[file] = text.replace(kept, broken)
    for file, text in texts.items():
        head = '#include "tests/simulation/real/mutant.hpp"\nusing simulation::is_mutant;\n'
        (output / pathlib.Path(file).name).write_text(head + text)
    (output / "mutant_names.inc").write_text(",\n".join(f'{{"{m[0]}", {NOTICED.get(m[0], 1)}}}' for m in MUTANTS) + "\n")


main()
