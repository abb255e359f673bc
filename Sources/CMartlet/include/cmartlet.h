// Small C that Swift cannot say, or cannot say without cost: hashing over unaligned words, atomics, sanitizer marks.
#pragma once
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include "cmartlet_allocations.h"
#include "cmartlet_atomics.h"
#include "cmartlet_numbers.h"
#include "cmartlet_process.h"
#include "cmartlet_profile.h"
#include "cmartlet_sanitize.h"
#include "cmartlet_scan.h"
#include "cmartlet_signal.h"
#include "cmartlet_symbols.h"
#include "cmartlet_unwind.h"

static inline uint64_t martlet_mix(uint64_t a, uint64_t b) {
  __uint128_t product = (__uint128_t)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// 64-bit multiply-fold hash; with a secret seed a peer cannot aim for one bucket.
static inline uint64_t martlet_hash(const uint8_t *bytes, size_t count, uint64_t seed) {
  uint64_t h = martlet_mix(seed ^ 0x9e3779b97f4a7c15ull, count ^ 0xd6e8feb86659fd93ull);
  while (count >= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    h = martlet_mix(h ^ word, 0xa0761d6478bd642full);
    bytes += 8;
    count -= 8;
  }
  uint64_t tail = 0;
  memcpy(&tail, bytes, count);
  return martlet_mix(h ^ tail, 0xe7037ed1a0b428dbull);
}

// Bytes of a TCP connection that its peer has acknowledged; 0 of any other descriptor.
uint64_t martlet_acknowledged(int32_t descriptor);

// GNU memmem, which the Glibc module does not show.
void *martlet_memmem(const void *haystack, size_t count, const void *needle, size_t needle_count);

// Gives back what only the reading of a configuration needed: free heap pages, and the pages of the program and its
// libraries that are mapped and clean. Those that are used again come back from the page cache, at a minor fault for 64 KiB.
void martlet_release_spare_memory(void);
