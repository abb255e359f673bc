#pragma once
#include <stdint.h>
#include <stddef.h>

// C11 atomics on plain memory, for state that one thread writes and others read. Swift's `Atomic` must live inside a
// Swift value; statistics cells live in pages of their own. No function here but the compare-and-swap compiles to a
// locked instruction.

static inline uint64_t cmartlet_load_relaxed(const uint64_t *cell) {
    return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

static inline uint64_t cmartlet_load_acquire(const uint64_t *cell) {
    return __atomic_load_n(cell, __ATOMIC_ACQUIRE);
}

static inline void cmartlet_store_relaxed(uint64_t *cell, uint64_t value) {
    __atomic_store_n(cell, value, __ATOMIC_RELAXED);
}

static inline void cmartlet_store_release(uint64_t *cell, uint64_t value) {
    __atomic_store_n(cell, value, __ATOMIC_RELEASE);
}

/// Stores `desired` if the cell holds `expected`; returns what the cell held before.
static inline uint64_t cmartlet_compare_exchange(uint64_t *cell, uint64_t expected, uint64_t desired) {
    __atomic_compare_exchange_n(cell, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return expected;
}

static inline uint64_t cmartlet_fetch_add(uint64_t *cell, uint64_t value) {
    return __atomic_fetch_add(cell, value, __ATOMIC_ACQ_REL);
}

// Between a store of one's own and a load of what another has stored, where each has to see the other's.
static inline void cmartlet_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// A published pointer: what it points to was written before, and is read after.
static inline void *cmartlet_load_pointer_acquire(void *const *place) {
    return __atomic_load_n(place, __ATOMIC_ACQUIRE);
}

static inline void cmartlet_store_pointer_release(void **place, void *value) {
    __atomic_store_n(place, value, __ATOMIC_RELEASE);
}
