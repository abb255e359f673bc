#pragma once
#include <stdint.h>

// A word that one thread sleeps on and others set: for a thread that does slow work away from the workers.

/// Sets the word; wakes the sleeper. Never waits.
void cmartlet_signal_raise(uint32_t *word);

/// Clears the word and tells whether it was set. What was stored before a `raise` that this sees, or that comes before
/// the next `wait`, is visible or makes `wait` return at once.
static inline int cmartlet_signal_take(uint32_t *word) {
    return __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) != 0;
}

/// Sleeps until the word is set or the time is over; true: it is set.
int cmartlet_signal_wait(uint32_t *word, uint64_t nanoseconds);
