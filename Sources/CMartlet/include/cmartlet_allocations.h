#pragma once
#include <stddef.h>
#include <stdint.h>

// Samples of what is allocated, and waits for locks: both by putting functions of ours in front of the C library's, in the
// tables through which the program and its libraries call them. Until that is done nothing is in between.

enum {
  /// Sampled allocations that have not been freed. `docs/limits.md` §profiles.
  martlet_live_max = 1 << 14,
};

/// Puts `malloc`, `free` and their like of ours in front, in every module that is loaded, and samples one allocation for
/// every `interval` bytes (in the mean). Forgets what was known. How many places were changed; -1: none can be (errno).
int32_t martlet_allocations_start(uint64_t interval);

/// Takes them away again.
void martlet_allocations_stop(void);

/// Takes the oldest sample of a thread's allocations: its size, and the bytes that it stands for. 0: none. Main only.
size_t martlet_allocations_take(int32_t number, uint64_t *frames, uint64_t *size, uint64_t *bytes);
/// What the calling thread allocates is no sample: for the profiler's own work.
void martlet_allocations_pause(int32_t paused);

/// Samples for which a ring had no room.
uint64_t martlet_allocations_lost(void);
/// Samples for which the table of live ones had none.
uint64_t martlet_live_lost(void);

/// What the sampled allocations that live stand for, in bytes.
uint64_t martlet_live_bytes(void);
/// One place of the table of live ones: its stack, size, and what it stands for. 0: it is empty.
size_t martlet_live_at(size_t place, uint64_t *frames, uint64_t *size, uint64_t *bytes, int32_t *thread);

// MARK: Locks (`--enable-mutex-tracing`)

/// Puts lock functions in front that count waits, for good. How many places were changed; -1: none can be (errno).
int32_t martlet_locks_prepare(void);

typedef struct {
  uint64_t contentions, last_cycles, cycles;
} martlet_lock_waits;

martlet_lock_waits martlet_lock_waits_now(void);
