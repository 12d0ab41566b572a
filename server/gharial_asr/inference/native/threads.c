// A few threads that wait for the next piece of work: first awake, for about as long as the engine takes from one
// product to the next, then asleep.

#include "kernel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

enum { MOST = 64, SPINS = 2000 };

static pthread_mutex_t in_use = PTHREAD_MUTEX_INITIALIZER, asleep = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct {
    int64_t workers, parts;
    Part *part;
    const void *work;
    atomic_uint_fast64_t round;
    atomic_int_fast64_t busy;
} pool;

static inline void pause_a_little(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void *worker(void *argument) {
    int64_t me = (int64_t)argument;
    // `in_use` is held while workers are made, so no round begins before this one knows where it stands.
    uint_fast64_t seen = atomic_load(&pool.round);
    atomic_fetch_sub(&pool.busy, 1);
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load_explicit(&pool.round, memory_order_acquire) == seen; i++) pause_a_little();
        if (atomic_load(&pool.round) == seen) {
            pthread_mutex_lock(&asleep);
            while (atomic_load(&pool.round) == seen) pthread_cond_wait(&wake, &asleep);
            pthread_mutex_unlock(&asleep);
        }
        seen++;
        if (me < pool.parts) pool.part(pool.work, me, pool.parts);
        atomic_fetch_sub_explicit(&pool.busy, 1, memory_order_release);
    }
    return 0;
}

static void wait_for_workers(void) {
    for (int i = 0; atomic_load_explicit(&pool.busy, memory_order_acquire) > 0; i++) {
        if (i < SPINS) pause_a_little();
        else sched_yield();
    }
}

// A forked process has none of the threads.
static void forget(void) {
    pool.workers = 0;
    pthread_mutex_init(&in_use, 0);
    pthread_mutex_init(&asleep, 0);
    pthread_cond_init(&wake, 0);
}

static void prepare(void) { pthread_atfork(0, 0, forget); }

// Whether there are so many workers; signals are for the program's own threads.
static int have(int64_t workers) {
    sigset_t all, before;
    pthread_once(&once, prepare);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.workers < workers) {
        pthread_t thread;
        atomic_store(&pool.busy, 1);
        if (pthread_create(&thread, 0, worker, (void *)(pool.workers + 1))) {
            atomic_store(&pool.busy, 0);
            break;
        }
        pthread_detach(thread);
        wait_for_workers();
        pool.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return pool.workers >= workers;
}

void share(Part *part, const void *work, int64_t parts) {
    if (parts > MOST) parts = MOST;
    // Another thread's work goes on in the pool: this one's is done here.
    if (parts <= 1 || pthread_mutex_trylock(&in_use)) {
        part(work, 0, 1);
        return;
    }
    if (have(parts - 1)) {
        pool.part = part;
        pool.work = work;
        pool.parts = parts;
        atomic_store(&pool.busy, pool.workers);
        pthread_mutex_lock(&asleep);
        atomic_fetch_add(&pool.round, 1);
        pthread_cond_broadcast(&wake);
        pthread_mutex_unlock(&asleep);
        part(work, 0, parts);
        wait_for_workers();
    } else part(work, 0, 1);
    pthread_mutex_unlock(&in_use);
}
