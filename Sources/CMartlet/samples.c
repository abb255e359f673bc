// A ring of words with one writer and one reader. A record is a header (48 bits of value, 16 of count) and its addresses.
#define _GNU_SOURCE
#include "cmartlet_samples.h"
#include "cmartlet_profile.h"
#include <sys/mman.h>

#define unchecked __attribute__((no_sanitize("address", "thread")))

int martlet_samples_prepare(martlet_samples *samples) {
  if (samples->words) return 0;
  void *memory = mmap(NULL, martlet_ring_words * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -1;
  __atomic_store_n(&samples->words, memory, __ATOMIC_RELEASE);
  return 0;
}

unchecked void martlet_samples_put(martlet_samples *samples, uint64_t value, const uint64_t *frames, size_t count) {
  uint64_t *words = __atomic_load_n(&samples->words, __ATOMIC_ACQUIRE);
  uint64_t written = samples->written, read = __atomic_load_n(&samples->read, __ATOMIC_ACQUIRE);
  if (!words || martlet_ring_words - (written - read) < count + 1) {
    __atomic_store_n(&samples->lost, samples->lost + 1, __ATOMIC_RELAXED);
    return;
  }
  words[written++ & (martlet_ring_words - 1)] = value << 16 | count;
  for (size_t i = 0; i < count; i++) words[written++ & (martlet_ring_words - 1)] = frames[i];
  __atomic_store_n(&samples->written, written, __ATOMIC_RELEASE);
}

size_t martlet_samples_take(martlet_samples *samples, uint64_t *value, uint64_t *frames) {
  uint64_t written = __atomic_load_n(&samples->written, __ATOMIC_ACQUIRE), read = samples->read;
  if (!samples->words || read == written) return 0;
  uint64_t header = samples->words[read++ & (martlet_ring_words - 1)];
  size_t count = header & 0xffff;
  *value = header >> 16;
  for (size_t i = 0; i < count; i++) frames[i] = samples->words[read++ & (martlet_ring_words - 1)];
  __atomic_store_n(&samples->read, read, __ATOMIC_RELEASE);
  return count;
}

void martlet_samples_clear(martlet_samples *samples) {
  __atomic_store_n(&samples->read, __atomic_load_n(&samples->written, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
  __atomic_store_n(&samples->lost, 0, __ATOMIC_RELAXED);
}
