/* What threads keep between two leases, pool/thread_cache.hpp: each thread has a cell and serves some of the users, the pool has the
   rest. A step is what is done under one lock: the pool's is held over several, a cell's over one.

     spin -run -safety cache.pml                                  holds: no end state in which somebody waits for a kept connection
     spin -DM=2 -DMUTANT_NO_ERA -run -safety -bfs cache.pml       what was out during an event is kept: an old generation is lent
     spin -DM=2 -DMUTANT_ONE_ERA -run -safety -bfs cache.pml      an event while nobody may keep anything begins no era: the same
     spin -DMUTANT_NO_CALL -run -safety -bfs cache.pml            a waiter calls nobody in: it waits for ever
     spin -DMUTANT_OPEN_EARLY -run -safety -bfs cache.pml         opened while somebody waits: the same */
#ifndef T
#define T 2          /* threads, each with a cell */
#endif
#ifndef M
#define M 1          /* connections: max_size */
#endif
#ifndef U
#define U 3          /* users: that of number u is on thread u % T */
#endif
#ifndef K
#define K 2          /* leases of a user */
#endif
#ifndef G
#define G 2          /* new generations */
#endif
#define NONE 15

bool mutex;                                  /* the pool's */
bool idle[M];
byte born[M], generation;                    /* a connection's, and the present one */
byte holder[M];                              /* a user, or NONE */
byte era = 1, loan_era[M];
bool open[T], is_open;                       /* some is */
byte cell[T], cell_era[T];                   /* kept, and what may be; era 0: shut */
chan waiting = [U] of { byte };
byte granted[U];

inline lock() { atomic { !mutex -> mutex = true } }
inline unlock() { mutex = false }

/* under the mutex: the connection is somebody's, from the books */
inline lend(c, to) {
  assert(holder[c] == NONE && born[c] == generation);
  idle[c] = false; holder[c] = to; loan_era[c] = era
}
/* under the mutex: offer() */
inline offer(c) {
  holder[c] = NONE;
  born[c] = generation;                      /* an old one is closed, another comes in its place */
  if
  :: len(waiting) > 0 -> waiting?w; lend(c, w); granted[w] = c
  :: len(waiting) == 0 -> idle[c] = true
  fi
}
/* under the mutex: call_in(), a cell at a time; the others go on */
inline call_in() {
#ifdef MUTANT_ONE_ERA
  if :: is_open -> era++ :: else fi;
#else
  era++;
#endif
  if
  :: is_open ->
     is_open = false;
     i = 0;
     do
     :: i < T ->
        atomic {
          if
          :: open[i] -> open[i] = false; cell_era[i] = 0; kept = cell[i]; cell[i] = NONE;
             if :: kept != NONE -> holder[kept] = NONE; idle[kept] = true :: else fi
          :: else
          fi;
          i++
        }
     :: else -> break
     od
  :: else
  fi
}

proctype user(byte me, at) {
  byte c, i, w, kept, round;
  do
  :: round == K -> break
  :: round < K ->
     round++;
     c = NONE;
     if                                      /* take_kept(): the lock may be taken, then it is not tried again */
     :: atomic { cell[at] != NONE -> c = cell[at]; cell[at] = NONE; assert(holder[c] == NONE && born[c] == generation); holder[c] = me }
     :: skip
     fi;
     if
     :: c == NONE ->                         /* try_acquire() */
        lock();
        i = 0;
        do
        :: i < M && idle[i] && len(waiting) == 0 -> c = i; lend(c, me); break
        :: i < M && !(idle[i] && len(waiting) == 0) -> i++
        :: else -> break
        od;
        unlock()
     :: else
     fi;
     if
     :: c == NONE ->                         /* enqueue() */
        lock();
#ifndef MUTANT_NO_CALL
        call_in();
#endif
        i = 0;
        do
        :: i < M && idle[i] && len(waiting) == 0 -> c = i; lend(c, me); break
        :: i < M && !(idle[i] && len(waiting) == 0) -> i++
        :: else -> waiting!me; break
        od;
        unlock();
        if
        :: c == NONE -> granted[me] != NONE; c = granted[me]; granted[me] = NONE
        :: else
        fi
     :: else
     fi;
     assert(holder[c] == me);

     if                                      /* keep(): as above */
     :: atomic {
          cell[at] == NONE && cell_era[at] != 0 &&
#ifdef MUTANT_NO_ERA
          true
#else
          cell_era[at] == loan_era[c]
#endif
          -> holder[c] = NONE; cell[at] = c; c = NONE
        }
     :: skip
     fi;
     if
     :: c != NONE ->                         /* settle_return() */
        lock();
        offer(c);
        if                                   /* open_cache(): not always */
#ifdef MUTANT_OPEN_EARLY
        :: true -> atomic { open[at] = true; cell_era[at] = era; is_open = true }
#else
        :: len(waiting) == 0 -> atomic { open[at] = true; cell_era[at] = era; is_open = true }
#endif
        :: skip
        fi;
        unlock()
     :: else
     fi
  od;
  /* The user does something else; what its thread keeps is called in when its term is over. */
}

/* Any event that makes connections unfit. */
proctype administrator() {
  byte i, kept, g;
  do
  :: g == G -> break
  :: g < G ->
     g++;
     lock();
     call_in();
     generation++;
     i = 0;
     do
     :: i < M -> if :: idle[i] -> born[i] = generation :: else fi; i++
     :: else -> break
     od;
     unlock()
  od
}

init {
  byte i;
  atomic {
    do
    :: i < M -> idle[i] = true; holder[i] = NONE; i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < T -> cell[i] = NONE; i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < U -> granted[i] = NONE; run user(i, i % T); i++
    :: else -> break
    od;
    run administrator()
  }
}
