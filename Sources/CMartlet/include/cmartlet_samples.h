#pragma once
#include <stddef.h>
#include <stdint.h>

// A ring of samples: one side writes, possibly in a signal handler, the other reads. Within CMartlet.

typedef struct {
  uint64_t *words;
  uint64_t written, read, lost;
} martlet_samples;

/// Memory that is only touched where it is used, and stays for good: a late signal may still write. 0 where it is there.
int martlet_samples_prepare(martlet_samples *samples);
/// A header and `count` addresses; what has no room is counted as lost.
void martlet_samples_put(martlet_samples *samples, uint64_t value, const uint64_t *frames, size_t count);
/// The oldest one; 0: none. `value` has 48 bits.
size_t martlet_samples_take(martlet_samples *samples, uint64_t *value, uint64_t *frames);
/// Forgets what is there and what was lost: the reader's.
void martlet_samples_clear(martlet_samples *samples);
