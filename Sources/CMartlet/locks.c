// How often, and how long, threads wait for locks: `--enable-mutex-tracing`. A lock that is free is taken as before; one that
// is not is waited for between two looks at the clock.
#define _GNU_SOURCE
#include "cmartlet_allocations.h"
#include "replace.h"
#include <pthread.h>
#include <time.h>

static uint64_t contentions, last_cycles, all_cycles;

static uint64_t cycles_now(void) {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
#endif
}

static void count(uint64_t began) {
  uint64_t cycles = cycles_now() - began;
  __atomic_fetch_add(&contentions, 1, __ATOMIC_RELAXED);
  __atomic_store_n(&last_cycles, cycles, __ATOMIC_RELAXED);
  __atomic_fetch_add(&all_cycles, cycles, __ATOMIC_RELAXED);
}

// This file's own calls are not replaced: they go through words of this module too, so the real functions are looked up
// before (`martlet_locks_prepare`).
// Volatile: else a compiler that sees the one assignment calls them by their names.
static int (*volatile real_try)(pthread_mutex_t *), (*volatile real_lock)(pthread_mutex_t *);
static int (*volatile real_try_read)(pthread_rwlock_t *), (*volatile real_read)(pthread_rwlock_t *);
static int (*volatile real_try_write)(pthread_rwlock_t *), (*volatile real_write)(pthread_rwlock_t *);

static int lock_mutex(pthread_mutex_t *mutex) {
  if (real_try(mutex) == 0) return 0;
  uint64_t began = cycles_now();
  int result = real_lock(mutex);
  count(began);
  return result;
}

static int lock_to_read(pthread_rwlock_t *lock) {
  if (real_try_read(lock) == 0) return 0;
  uint64_t began = cycles_now();
  int result = real_read(lock);
  count(began);
  return result;
}

static int lock_to_write(pthread_rwlock_t *lock) {
  if (real_try_write(lock) == 0) return 0;
  uint64_t began = cycles_now();
  int result = real_write(lock);
  count(began);
  return result;
}

int32_t martlet_locks_prepare(void) {
  real_try = pthread_mutex_trylock;
  real_lock = pthread_mutex_lock;
  real_try_read = pthread_rwlock_tryrdlock;
  real_read = pthread_rwlock_rdlock;
  real_try_write = pthread_rwlock_trywrlock;
  real_write = pthread_rwlock_wrlock;
  static const struct martlet_replacement replacements[] = {
      {"pthread_mutex_lock", lock_mutex}, {"pthread_rwlock_rdlock", lock_to_read}, {"pthread_rwlock_wrlock", lock_to_write}};
  return martlet_replace(replacements, 3);
}

martlet_lock_waits martlet_lock_waits_now(void) {
  martlet_lock_waits waits = {
      __atomic_load_n(&contentions, __ATOMIC_RELAXED), __atomic_load_n(&last_cycles, __ATOMIC_RELAXED),
      __atomic_load_n(&all_cycles, __ATOMIC_RELAXED)};
  return waits;
}
