// Samples of what is allocated. Functions of ours stand in front of malloc and its like only while that is wanted
// (replace.h); each then counts bytes, and about once in `interval` bytes takes the stack: into the ring of its thread, which
// main empties, and into a table of what lives, from which `free` takes it out again.
//
// The gaps between samples are exponential, so an allocation of n bytes is taken with probability 1 - e^(-n/interval), and
// stands for n divided by that.
#define _GNU_SOURCE
#include "cmartlet_allocations.h"
#include "cmartlet_unwind.h"
#include "replace.h"
#include "threads.h"
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { bucket = 8, buckets = martlet_live_max / bucket, live_frames = 64 };
// A place that somebody is filling; no allocation has this address.
enum { being_filled = 1 };

struct live {
  uint64_t bytes, size;
  int32_t thread;
  uint32_t count;
  uint64_t frames[live_frames];
};

static uint64_t sampling;  // the mean gap in bytes; 0: none
static uint64_t lost, live_bytes, live_count;
static uint64_t *pointers;  // of `lives`, eight to a cache line
static struct live *lives;

// Volatile: a compiler that sees the one assignment calls malloc by its name, which is ours then.
static void *(*volatile real_malloc)(size_t);
static void *(*volatile real_calloc)(size_t, size_t);
static void *(*volatile real_realloc)(void *, size_t);
static void (*volatile real_free)(void *);
static int (*volatile real_posix_memalign)(void **, size_t, size_t);
static void *(*volatile real_aligned_alloc)(size_t, size_t);
static void *(*volatile real_memalign)(size_t, size_t);

// MARK: What lives

static size_t bucket_of(uint64_t pointer) { return (size_t)((pointer >> 4) * 0x9e3779b97f4a7c15ull >> 32) % buckets * bucket; }

static void put_live(const struct martlet_thread *thread, uint64_t pointer, uint64_t size, uint64_t bytes, const uint64_t *frames, size_t count) {
  size_t first = bucket_of(pointer);
  for (size_t place = first; place < first + bucket; place++) {
    uint64_t empty = 0;
    if (!__atomic_compare_exchange_n(&pointers[place], &empty, being_filled, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) continue;
    struct live *live = &lives[place];
    live->bytes = bytes;
    live->size = size;
    live->thread = (int32_t)(thread - martlet_threads);
    live->count = (uint32_t)(count < live_frames ? count : live_frames);
    memcpy(live->frames, frames, live->count * sizeof *frames);
    __atomic_store_n(&pointers[place], pointer, __ATOMIC_RELEASE);
    __atomic_fetch_add(&live_bytes, bytes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&live_count, 1, __ATOMIC_RELAXED);
    return;
  }
  __atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
}

// Before the memory is given back: afterwards its address may be another's.
static inline void take_live(void *memory) {
  if (__atomic_load_n(&live_count, __ATOMIC_RELAXED) == 0 || !memory) return;
  size_t first = bucket_of((uintptr_t)memory);
  for (size_t place = first; place < first + bucket; place++) {
    uint64_t pointer = (uintptr_t)memory;
    if (__atomic_load_n(&pointers[place], __ATOMIC_RELAXED) != pointer) continue;
    uint64_t bytes = lives[place].bytes;
    if (!__atomic_compare_exchange_n(&pointers[place], &pointer, 0, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return;
    __atomic_fetch_sub(&live_bytes, bytes, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&live_count, 1, __ATOMIC_RELAXED);
    return;
  }
}

// MARK: Samples

// xorshift64*: a number in (0, 1].
static double next_random(struct martlet_thread *thread) {
  uint64_t x = thread->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  thread->random = x;
  return ((double)((x * 0x2545f4914f6cdd1dull) >> 11) + 1) / 9007199254740993.0;
}

// Two frames of ours stand above the caller's: this one's and the hook's.
__attribute__((noinline)) static void sample(struct martlet_thread *thread, void *memory, size_t size, uint64_t interval) {
  thread->is_sampling = 1;
  int saved = errno;
  int is_first = thread->bytes_left == INT64_MIN;
  double gap = -log(next_random(thread)) * (double)interval;
  thread->bytes_left = gap < 1 ? 1 : gap > 1e15 ? (int64_t)1e15 : (int64_t)gap;
  // The first gap has no allocation at its end.
  if (!is_first) {
    uint64_t frames[martlet_frames_max + 2];
    size_t count = martlet_stack_here(frames, martlet_frames_max);
    if (count > 2) {
      double share = -expm1(-(double)size / (double)interval);
      uint64_t bytes = (uint64_t)((double)size / share + 0.5);
      if (martlet_samples_prepare(&thread->allocations) == 0) {
        // The size in front of the stack; the innermost address is that of the call itself.
        frames[1] = size;
        frames[2] -= 1;
        martlet_samples_put(&thread->allocations, bytes, frames + 1, count - 1);
        put_live(thread, (uintptr_t)memory, size, bytes, frames + 2, count - 2);
      }
    }
  }
  errno = saved;
  thread->is_sampling = 0;
}

// Part of each hook: `sample` counts on it.
__attribute__((always_inline)) static inline void note(void *memory, size_t size) {
  uint64_t interval = __atomic_load_n(&sampling, __ATOMIC_RELAXED);
  struct martlet_thread *thread = martlet_this_thread;
  if (interval == 0 || !thread || !memory || size == 0 || thread->is_sampling) return;
  if (thread->bytes_left != INT64_MIN) {
    thread->bytes_left -= (int64_t)size;
    if (thread->bytes_left > 0) return;
  }
  sample(thread, memory, size, interval);
  // No tail call: the hook's frame has to stand above it.
  __asm__ volatile("");
}

// MARK: In front

static void *our_malloc(size_t size) {
  void *memory = real_malloc(size);
  note(memory, size);
  return memory;
}

static void *our_calloc(size_t count, size_t size) {
  void *memory = real_calloc(count, size);
  note(memory, memory ? count * size : 0);
  return memory;
}

static void *our_realloc(void *old, size_t size) {
  take_live(old);
  void *memory = real_realloc(old, size);
  note(memory, size);
  return memory;
}

static void our_free(void *memory) {
  take_live(memory);
  real_free(memory);
}

static int our_posix_memalign(void **memory, size_t alignment, size_t size) {
  int result = real_posix_memalign(memory, alignment, size);
  note(result == 0 ? *memory : NULL, size);
  return result;
}

static void *our_aligned_alloc(size_t alignment, size_t size) {
  void *memory = real_aligned_alloc(alignment, size);
  note(memory, size);
  return memory;
}

static void *our_memalign(size_t alignment, size_t size) {
  void *memory = real_memalign(alignment, size);
  note(memory, size);
  return memory;
}

static int32_t put_in_front(int ours) {
  struct martlet_replacement replacements[] = {
      {"malloc", ours ? (void *)our_malloc : (void *)real_malloc},
      {"calloc", ours ? (void *)our_calloc : (void *)real_calloc},
      {"realloc", ours ? (void *)our_realloc : (void *)real_realloc},
      {"free", ours ? (void *)our_free : (void *)real_free},
      {"posix_memalign", ours ? (void *)our_posix_memalign : (void *)real_posix_memalign},
      {"aligned_alloc", ours ? (void *)our_aligned_alloc : (void *)real_aligned_alloc},
      {"memalign", ours ? (void *)our_memalign : (void *)real_memalign},
  };
  return martlet_replace(replacements, sizeof replacements / sizeof *replacements);
}

// MARK: For main

int32_t martlet_allocations_start(uint64_t interval) {
  if (!pointers) {
    // By the words that are about to be replaced: what stands in front already (a preloaded library) stays behind ours.
    real_malloc = malloc;
    real_calloc = calloc;
    real_realloc = realloc;
    real_free = free;
    real_posix_memalign = posix_memalign;
    real_aligned_alloc = aligned_alloc;
    real_memalign = memalign;
    size_t bytes = martlet_live_max * (sizeof *pointers + sizeof *lives);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return -1;
    lives = (struct live *)((uint64_t *)memory + martlet_live_max);
    pointers = memory;
  }
  martlet_list_modules();
  for (size_t place = 0; place < martlet_live_max; place++) __atomic_store_n(&pointers[place], 0, __ATOMIC_RELAXED);
  __atomic_store_n(&live_bytes, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&live_count, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&lost, 0, __ATOMIC_RELAXED);
  for (int i = 0; i < martlet_threads_max; i++) martlet_samples_clear(&martlet_threads[i].allocations);
  int32_t places = put_in_front(1);
  if (places > 0) __atomic_store_n(&sampling, interval, __ATOMIC_RELEASE);
  return places;
}

void martlet_allocations_stop(void) {
  __atomic_store_n(&sampling, 0, __ATOMIC_RELAXED);
  put_in_front(0);
}

size_t martlet_allocations_take(int32_t number, uint64_t *frames, uint64_t *size, uint64_t *bytes) {
  uint64_t words[martlet_frames_max + 1];
  size_t count = martlet_samples_take(&martlet_threads[number].allocations, bytes, words);
  if (count < 2) return 0;
  *size = words[0];
  memcpy(frames, words + 1, (count - 1) * sizeof *frames);
  return count - 1;
}

void martlet_allocations_pause(int32_t paused) {
  if (martlet_this_thread) martlet_this_thread->is_sampling = paused;
}

uint64_t martlet_live_lost(void) { return __atomic_load_n(&lost, __ATOMIC_RELAXED); }

uint64_t martlet_allocations_lost(void) {
  uint64_t sum = 0;
  for (int i = 0; i < martlet_threads_max; i++) sum += __atomic_load_n(&martlet_threads[i].allocations.lost, __ATOMIC_RELAXED);
  return sum;
}

uint64_t martlet_live_bytes(void) { return __atomic_load_n(&live_bytes, __ATOMIC_RELAXED); }

size_t martlet_live_at(size_t place, uint64_t *frames, uint64_t *size, uint64_t *bytes, int32_t *thread) {
  if (!pointers || place >= martlet_live_max) return 0;
  uint64_t pointer = __atomic_load_n(&pointers[place], __ATOMIC_ACQUIRE);
  if (pointer == 0 || pointer == being_filled) return 0;
  const struct live *live = &lives[place];
  size_t count = live->count < live_frames ? live->count : live_frames;
  *size = live->size;
  *bytes = live->bytes;
  *thread = live->thread;
  memcpy(frames, live->frames, count * sizeof *frames);
  // It may have been freed, and the place taken again, while it was read.
  return __atomic_load_n(&pointers[place], __ATOMIC_ACQUIRE) == pointer ? count : 0;
}
