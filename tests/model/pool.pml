/* The pool's design: slots, hand-over, priorities, generations, cancel, fence, COMMIT, recovery, shutdown. README.md says how to run it,
   what it shows, and which part of the code each name stands for.
   Every event is one d_step: in the library it is one turn under a mutex (the pool's or an engine's). Time is not modelled: a deadline may
   pass whenever it is armed, any message may stay under way for ever. The lines with @ are for the replay against the code. */

#ifndef M
#define M 2                     /* max_size */
#endif
#ifndef C
#define C 3                     /* clients */
#endif
#ifndef G
#define G 0                     /* how often a new generation may begin */
#endif
#define NOBODY 255
#ifndef SERVER_COUNT            /* I9 as the server counts: 1 checks it, 2 also keeps the slot until the backend is gone  */
#define SERVER_COUNT 0
#endif
#ifdef PATIENT                  /* all runs end: one acquire and one query a client, one failed connect, no death, no close; */
#define ONCE 1                  /* client 0 never gives up waiting, so a run that ends with it still waiting is a deadlock   */
#define NO_DEATH
#define NO_CLOSE
#else
#define ONCE 0
#endif
#ifdef PRIORITIES               /* the last client is of the higher class */
#define CLASS(c) (c != C-1)
#else
#define CLASS(c) 0
#endif

mtype:slot_state   = { absent, connecting, validating, idle, leased, recovering, closing }
mtype:pool_state   = { open, lingering, forced, closed }
mtype:cancel_state = { cancel_none, cancel_connecting, cancel_written, cancel_eof, cancel_unknown }
mtype:packet_is    = { no_packet, flying, one_signal, two_signals }              /* where the CancelRequest really is      */
mtype:operation    = { no_operation, unsent, unsent_commit, sent, draining }    /* draining: cancelled (partial)          */
mtype:backend_is   = { ready, unread, running, answered }                        /* ready: no ReadyForQuery owed           */
mtype:statement    = { nobodys, users, users_commit, abandoned, pools }          /* what `backend` is about                */
mtype:task_is      = { detached, queued, granted, holding, pending, cancelled }  /* the first three: core::waiter_state    */

mtype:slot_state   slot[M]    = absent;
mtype:operation    op[M]      = no_operation;
mtype:cancel_state cancel[M]  = cancel_none;
mtype:packet_is    packet[M]  = no_packet;
mtype:backend_is   backend[M] = ready;
mtype:statement    about[M]   = nobodys;
mtype:task_is      task[C]    = detached;
mtype:pool_state   state      = open;
byte owner[M] = NOBODY;         /* whose lease                                                     */
byte lease[C] = NOBODY;         /* what the client believes it holds; valid while owner[] agrees   */
byte born[M];                   /* the connection's generation                                     */
byte generation;
bit  retried[M];                /* the second attempt is spent                                     */
bit  tainted[M];                /* ghost: this connection once had an unknown cancel               */
chan waiters[2] = [C] of { byte };  /* one queue a class, FIFO                                     */
bit  running_on[M];             /* SERVER_COUNT: we closed the socket of a busy backend, which goes on */
bit  refused;                   /* PATIENT: the one connect that may fail did                      */
byte w, k, n;                   /* scratch                                                         */
#define WAITING (len(waiters[0]) + len(waiters[1]))

/* ---- driver/session/settle: the fence ---- */
#if   defined(MUTANT_NO_EOF)
#define SETTLED(i) (cancel[i] == cancel_none || cancel[i] == cancel_eof || cancel[i] == cancel_written)
#elif defined(MUTANT_UNKNOWN)
#define SETTLED(i) (cancel[i] == cancel_none || cancel[i] == cancel_eof || cancel[i] == cancel_unknown)
#else
#define SETTLED(i) (cancel[i] == cancel_none || cancel[i] == cancel_eof)
#endif
#define QUIET(i)    (backend[i] == ready && SETTLED(i))
#define SETTLING(i) (slot[i] == recovering || op[i] == draining)
#define IS_OPEN(i)  (slot[i] == validating || slot[i] == idle || slot[i] == leased || slot[i] == recovering)
#define UNSENT(i)   (op[i] == unsent || op[i] == unsent_commit)

/* ---- pool/core: under the pool's mutex ---- */
inline grant(i, c) {
    assert(born[i] == generation);                                                   /* a condemned one is not lent */
    assert(CLASS(c) == 0 || len(waiters[0]) == 0);                                   /* I10: by class */
    printf("@ grant %d %d\n", i, c);
    owner[i] = c; slot[i] = leased; lease[c] = i; task[c] = granted
}

inline first_waiter(c) {
#ifdef MUTANT_OVERTAKE
    if :: len(waiters[1]) > 0 -> waiters[1]?c :: else -> waiters[0]?c fi
#else
    if :: len(waiters[0]) > 0 -> waiters[0]?c :: else -> waiters[1]?c fi
#endif
}

inline serve() {                /* one connection on its way for each waiter, while slots are free */
    w = 0;
    for (k : 0 .. M-1) { if :: slot[k] == connecting || slot[k] == validating -> w++ :: else fi }
    for (k : 0 .. M-1) {
        if
        :: state == open && slot[k] == absent && WAITING > w ->
            printf("@ connect %d\n", k); slot[k] = connecting; born[k] = generation; w++
        :: else
        fi
    }
    w = 0; k = 0
}

inline offer(i) {               /* connection i is free: the first waiter's, else idle, if it is still wanted */
    printf("@ offer %d\n", i);
    assert(QUIET(i) && op[i] == no_operation);                                       /* I12 */
#ifndef WITHOUT_I4
    assert(!tainted[i]);                                                             /* I4 */
#endif
    owner[i] = NOBODY; about[i] = nobodys; cancel[i] = cancel_none; retried[i] = 0;
    if
    :: state != open -> slot[i] = closing
#ifndef MUTANT_STALE
    :: state == open && born[i] != generation -> slot[i] = closing; born[i] = 0
    :: state == open && born[i] == generation && WAITING == 0 -> slot[i] = idle
    :: state == open && born[i] == generation && WAITING > 0  -> first_waiter(w); grant(i, w); w = 0
#else
    :: state == open && WAITING == 0 -> slot[i] = idle
    :: state == open && WAITING > 0  -> first_waiter(w); grant(i, w); w = 0
#endif
    fi
}

inline acquire(c) {
    for (k : 0 .. M-1) {
        if :: task[c] == detached && slot[k] == idle && WAITING == 0 -> grant(k, c) :: else fi
    }
    if :: task[c] == detached -> task[c] = queued; waiters[CLASS(c)]!c :: else fi;
    serve()
}

inline resume_dead(c) {         /* the connection died before its waiter resumed: another one that is idle, or back to the head */
    for (k : 0 .. M-1) {
        if :: task[c] == granted && slot[k] == idle -> grant(k, c); task[c] = holding :: else fi
    }
    if
    :: task[c] == granted ->
        lease[c] = NOBODY; task[c] = queued; waiters[CLASS(c)]!c;
        n = len(waiters[CLASS(c)]) - 1;
        do :: n > 0 -> waiters[CLASS(c)]?w; waiters[CLASS(c)]!w; n-- :: else -> break od;
        w = 0; serve()
    :: else
    fi
}

inline replace_older() {        /* a new generation: who is idle goes now, the others when they come back */
    generation++;
    for (k : 0 .. M-1) { if :: slot[k] == idle -> discard(k) :: else fi }
    k = 0
}

/* ---- driver/io/engine: one connection ---- */
inline complete(c, expected) { assert(task[c] == expected); task[c] = holding }      /* I1, I22: once, and with its own reason */

inline arm(i) {                 /* COMMIT is waited for, never cancelled (I15) */
    if
#ifndef MUTANT_CANCEL_COMMIT
    :: about[i] == users_commit
#endif
    :: else ->
        if :: about[i] == users -> about[i] = abandoned :: else fi;
        if :: cancel[i] == cancel_none -> cancel[i] = cancel_connecting :: else fi
    fi
}

inline revoke(i) {              /* the lease ends at once, its statement goes on: the pool's business from here (I13) */
    owner[i] = NOBODY; op[i] = no_operation; slot[i] = recovering; arm(i)
}

inline discard(i) {             /* what is still under way carries a key that no backend has any more */
    if
    :: op[i] == draining                 -> complete(owner[i], cancelled)
    :: UNSENT(i) || op[i] == sent        -> complete(owner[i], pending)              /* a sent COMMIT: outcome_unknown */
    :: op[i] == no_operation
    fi;
    owner[i] = NOBODY; op[i] = no_operation; cancel[i] = cancel_none; packet[i] = no_packet; backend[i] = ready;
    about[i] = nobodys; retried[i] = 0; tainted[i] = 0; born[i] = 0; slot[i] = closing
}

/* Invariants: the steps at the end of engine() and client() are possible only in a state that breaks one. */
#define OWNED(i)        (task[owner[i]] != detached && task[owner[i]] != queued && lease[owner[i]] == i)
#define SLOT_BROKEN(i)  ((slot[i] == leased) != (owner[i] != NOBODY) || (owner[i] != NOBODY && !OWNED(i)) || \
                         (slot[i] == idle && born[i] != generation))
#define COMING(i)       (slot[i] == connecting || slot[i] == validating)
#define SUPPLY          (COMING(0) + (M > 1 && COMING(M-1)))
#define LOST_WAKE_UP(i) (state == open && WAITING > 0 && (slot[i] == idle || (slot[i] == absent && SUPPLY < WAITING)))
#define OP_BROKEN(c)    ((task[c] == pending || task[c] == cancelled) && (!MINE || op[lease[c]] == no_operation))
#define QUEUE_BROKEN(c) ((task[c] == queued) == !(waiters[CLASS(c)]??[eval(c)]))
#define GONE            (slot[0] == absent && slot[M-1] == absent)

proctype engine(byte i) {
end:do
    :: d_step { slot[i] == connecting -> printf("@ connected %d\n", i); assert(!running_on[i]); offer(i) }
    :: d_step { slot[i] == connecting && !refused ->
            printf("@ connect_failed %d\n", i); slot[i] = absent; born[i] = 0; refused = ONCE; serve() }
    :: d_step { slot[i] == closing && !(SERVER_COUNT == 2 && running_on[i]) ->
            printf("@ closed %d\n", i); slot[i] = absent; serve() }
#ifdef VALIDATE
    :: d_step { slot[i] == idle -> printf("@ aged %d\n", i); slot[i] = validating }  /* at an acquire, or of old age */
    :: d_step { slot[i] == validating -> printf("@ validated %d\n", i); offer(i) }
    :: d_step { slot[i] == validating -> printf("@ not_validated %d\n", i); discard(i) }
#endif

    :: d_step { UNSENT(i) ->                                                         /* first byte of a user's statement */
            printf("@ first_byte %d\n", i);
            assert(backend[i] == ready && cancel[i] == cancel_none);                 /* I3, the rule */
            about[i] = (op[i] == unsent -> users : users_commit); op[i] = sent; backend[i] = unread }
    :: d_step { backend[i] == answered ->                                            /* ReadyForQuery */
            printf("@ ready %d\n", i);
            backend[i] = ready;
            if :: cancel[i] == cancel_connecting -> cancel[i] = cancel_none :: else fi;  /* overtaken: I19 */
            if :: op[i] == sent -> op[i] = no_operation; about[i] = nobodys; complete(owner[i], pending) :: else fi }

    /* pool/recovery: its only outputs are `usable` and `closed` */
    :: d_step { op[i] == draining && QUIET(i) ->                                     /* partial: the lease stays */
            printf("@ quiet %d\n", i);
            op[i] = no_operation; cancel[i] = cancel_none; about[i] = nobodys; retried[i] = 0; complete(owner[i], cancelled) }
#ifndef BARRIER
    :: d_step { slot[i] == recovering && QUIET(i) -> printf("@ recovered %d\n", i); offer(i) }          /* status 'I' */
#else
    :: d_step { slot[i] == recovering && QUIET(i) && about[i] == pools -> printf("@ recovered %d\n", i); offer(i) }
#endif
    :: d_step { slot[i] == recovering && QUIET(i) && about[i] != pools ->            /* status not 'I': ROLLBACK */
            printf("@ roll_back %d\n", i);
            about[i] = pools; backend[i] = unread; cancel[i] = cancel_none }
    :: d_step { SETTLING(i) && about[i] == abandoned && cancel[i] == cancel_eof && backend[i] != ready && !retried[i] ->
            printf("@ retry %d\n", i); retried[i] = 1; cancel[i] = cancel_connecting }   /* EOF, no ReadyForQuery */
#ifndef MUTANT_NO_BUDGET
    :: d_step { SETTLING(i) && !QUIET(i) ->                                          /* any budget; unknown; no cancel */
            printf("@ given_up %d\n", i);
            running_on[i] = (SERVER_COUNT && backend[i] != ready); discard(i) }
#endif
    :: d_step { state == forced && op[i] == sent     -> printf("@ forced %d\n", i); complete(owner[i], pending);   revoke(i) }
    :: d_step { state == forced && op[i] == draining -> printf("@ forced %d\n", i); complete(owner[i], cancelled); revoke(i) }
    :: d_step { state == forced && slot[i] == leased && (op[i] == no_operation || UNSENT(i)) ->
            printf("@ forced %d\n", i); discard(i) }
#ifndef NO_DEATH
    :: d_step { IS_OPEN(i) -> printf("@ disconnected %d\n", i); discard(i) }
#if G > 0
    :: d_step { IS_OPEN(i) && born[i] == generation && generation < G && state == open ->
            printf("@ endpoint_lost %d\n", i); discard(i); replace_older() }
#endif
#endif
    :: d_step { SLOT_BROKEN(i)  -> assert(false) }                                   /* I9 */
    :: d_step { LOST_WAKE_UP(i) -> assert(false) }                                   /* I10 */
    od
}

/* ---- driver/cancel and the server's other end of it ---- */
proctype cancel_request(byte i) {
end:do
    :: d_step { cancel[i] == cancel_connecting -> printf("@ cancel_failed %d\n", i); cancel[i] = cancel_none }
    :: d_step { cancel[i] == cancel_connecting ->
            printf("@ cancel_written %d\n", i);
            assert(about[i] != users_commit);                                        /* I15 */
            cancel[i] = cancel_written; packet[i] = flying }
    :: d_step { cancel[i] == cancel_written ->                                       /* deadline, reset: no EOF */
            printf("@ cancel_lost %d\n", i); cancel[i] = cancel_unknown; tainted[i] = 1 }
    od
}

inline signal(i) {
    if
    :: backend[i] == running ->
        printf("@ hit %d\n", i);
        assert(about[i] != users && about[i] != users_commit);                       /* I3, the harm: a stray cancel */
#ifndef BARRIER
        assert(about[i] != pools);                                                   /* not even the pool's own message */
#endif
        backend[i] = answered
    :: else                                                                          /* idle, or not read yet: ignored */
    fi
}

proctype postmaster(byte i) {
end:do
    :: d_step { packet[i] == flying    -> printf("@ packet_lost %d\n", i); packet[i] = no_packet }
    :: d_step { packet[i] == flying    -> printf("@ no_signal %d\n", i); packet[i] = two_signals }
#ifdef ONE_SIGNAL                                   /* PostgreSQL 18; pg_cancel_backend(): its reply stands for the EOF */
    :: d_step { packet[i] == flying      -> printf("@ signal %d\n", i); signal(i); packet[i] = two_signals }
#else
    :: d_step { packet[i] == flying      -> printf("@ signal %d\n", i); signal(i); packet[i] = one_signal }
    :: d_step { packet[i] == one_signal  -> printf("@ signal %d\n", i); signal(i); packet[i] = two_signals }
#endif
#ifdef MUTANT_EARLY_EOF
    :: d_step { packet[i] == one_signal && cancel[i] == cancel_written -> printf("@ early_eof %d\n", i); cancel[i] = cancel_eof }
#endif
    :: d_step { packet[i] == two_signals -> printf("@ eof %d\n", i); packet[i] = no_packet;
            if :: cancel[i] == cancel_written -> cancel[i] = cancel_eof :: else fi }
    od
}

proctype server(byte i) {
end:do
    :: d_step { backend[i] == unread  -> printf("@ reads %d\n", i); backend[i] = running }
    :: d_step { backend[i] == running -> printf("@ ends %d\n", i); backend[i] = answered }
    :: d_step { running_on[i] -> printf("@ gone %d\n", i); running_on[i] = 0 }
    od
}

/* ---- users ---- */
#define MINE (owner[lease[c]] == c)

proctype client(byte c) {
    bit acquired, asked;        /* PATIENT only */
    do
    :: d_step { task[c] == detached && state == open && !acquired -> printf("@ acquire %d\n", c); acquired = ONCE; acquire(c) }
    :: d_step { task[c] == queued && !(ONCE && c == 0) ->                            /* cancelled in the queue */
            printf("@ leaves %d\n", c); waiters[CLASS(c)]??eval(c); task[c] = detached }
    :: d_step { task[c] == granted && MINE -> printf("@ resume %d\n", c); task[c] = holding }
    :: d_step { task[c] == granted && !MINE && state == open -> printf("@ resume %d\n", c); resume_dead(c) }
    :: d_step { task[c] == granted && !MINE && state != open ->                      /* pool_closed */
            printf("@ resume %d\n", c); task[c] = detached; lease[c] = NOBODY }
    :: d_step { task[c] == granted -> printf("@ cancels_grant %d\n", c); task[c] = detached;
#if defined(MUTANT_LEAK)
            skip
#elif defined(MUTANT_NO_BATON)
            if :: MINE -> slot[lease[c]] = idle; owner[lease[c]] = NOBODY :: else fi
#else
            if :: MINE -> offer(lease[c]) :: else fi
#endif
            ; lease[c] = NOBODY }

    :: d_step { task[c] == holding && MINE && state != forced && !asked ->
            printf("@ query %d\n", c); asked = ONCE; task[c] = pending; op[lease[c]] = unsent }
#ifdef COMMITS
    :: d_step { task[c] == holding && MINE && state != forced && !asked ->
            printf("@ commit %d\n", c); asked = ONCE; task[c] = pending; op[lease[c]] = unsent_commit }
#endif
    :: d_step { task[c] == holding ->                                                /* clean; of a lost lease: nothing */
            printf("@ release %d\n", c);
            task[c] = detached;
            if :: MINE -> offer(lease[c]) :: else fi;
            lease[c] = NOBODY }
    :: d_step { task[c] == holding && MINE ->                                        /* inside a transaction */
            printf("@ release_dirty %d\n", c);
            task[c] = detached; owner[lease[c]] = NOBODY; slot[lease[c]] = recovering; lease[c] = NOBODY }

    :: d_step { task[c] == pending && UNSENT(lease[c]) ->                            /* any cancel, unsent: no trace (I19) */
            printf("@ cancels_unsent %d\n", c); op[lease[c]] = no_operation; complete(c, pending) }
    :: d_step { task[c] == pending && op[lease[c]] == sent && about[lease[c]] != users_commit ->
            printf("@ partial %d\n", c); task[c] = cancelled; op[lease[c]] = draining; arm(lease[c]) }
    :: d_step { task[c] == pending && op[lease[c]] == sent ->                        /* terminal, or a deadline: I2 */
            printf("@ terminal %d\n", c); complete(c, pending); revoke(lease[c]) }
    :: d_step { task[c] == cancelled ->                                              /* terminal after partial */
            printf("@ terminal %d\n", c); complete(c, cancelled); revoke(lease[c]) }

    :: d_step { OP_BROKEN(c)    -> assert(false) }                                   /* I1: a completion is lost */
    :: d_step { QUEUE_BROKEN(c) -> assert(false) }                                   /* I10: queued, granted or cancelled */

    :: task[c] == detached && (state != open || acquired) -> break                   /* pool_closed */
    od
}

#if G > 0
proctype administrator() {
end:do
    :: d_step { generation < G && state == open -> printf("@ new_generation 0\n"); replace_older() }
    od
}
#endif

#ifndef NO_CLOSE
proctype closer() {             /* begin_close, force_close, finished */
    d_step {
        printf("@ begin_close 0\n");
        state = lingering;
        do :: WAITING > 0 -> if :: len(waiters[0]) > 0 -> waiters[0]?w :: else -> waiters[1]?w fi; task[w] = detached
           :: else -> break
        od;                                                                          /* each waiter: pool_closed */
        for (k : 0 .. M-1) {
            if
            :: slot[k] == idle || slot[k] == validating -> discard(k)
            :: slot[k] == connecting -> slot[k] = closing; born[k] = 0
            :: else
            fi
        }
        w = 0; k = 0
    }
    if :: GONE :: d_step { printf("@ force_close 0\n"); state = forced } fi;         /* the deadline may pass at any time */
    d_step {
        GONE -> state = closed;
        for (k : 0 .. C-1) { assert(task[k] == detached || task[k] == granted || task[k] == holding) }    /* I21 */
        k = 0
    }
}
#endif

init {
    atomic {
        for (k : 0 .. M-1) { run engine(k); run cancel_request(k); run postmaster(k); run server(k) }
        for (k : 0 .. C-1) { run client(k) }
#if G > 0
        run administrator();
#endif
#ifndef NO_CLOSE
        run closer();
#endif
        k = 0
    }
}

#ifdef ENDS
ltl ends { [] (state == forced -> <> (state == closed)) }                            /* I21 */
#endif
