// OpenSSL's memory on worker threads: a handshake takes and gives back several hundred pieces, most of them of a few sizes.
// What is given back is kept by its thread, in lists by size, and taken again from there without malloc's own search; each
// thread's lists are bounded, and everything is malloc's in the end, so any thread may free what another took.
#define _GNU_SOURCE
#include "copenssl.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

// Sizes up to 1 KiB in steps of 64 bytes, beyond that four to each doubling, up to 24 KiB: a handshake takes one of 22.
enum { small_step = 64, small_count = 16, class_count = small_count + 18, largest = 24 << 10 };
// What a thread keeps in all, and of one size (`docs/limits.md`): a burst of closes gives back hundreds of large pieces, and
// they may not keep out the small ones, of which each handshake takes many. Of the largest it is what 64 handshakes take.
enum { kept_bytes_max = 4 << 20, kept_class_max = kept_bytes_max / 8 * 3 };

struct lists {
  void *heads[class_count];
  // Of each class, and of all.
  size_t class_bytes[class_count];
  size_t bytes;
};
static __thread struct lists *lists;

static size_t size_of(size_t class) {
  if (class < small_count) return (class + 1) * small_step;
  size_t above = class - small_count;
  return ((size_t)(5 + above % 4) << 8) << above / 4;
}

// The class whose pieces hold `bytes`, which are 1 to `largest`.
static size_t class_for(size_t bytes) {
  if (bytes <= small_count * small_step) return (bytes - 1) / small_step;
  size_t doublings = (size_t)(63 - __builtin_clzll(bytes - 1)) - 10;
  return small_count + doublings * 4 + (((bytes - 1) >> (doublings + 8)) & 3);
}

static void *take(size_t bytes, const char *file, int line) {
  (void)file, (void)line;
  if (bytes == 0) return NULL;
  if (!lists || bytes > largest) return malloc(bytes);
  size_t class = class_for(bytes);
  void *piece = lists->heads[class];
  if (!piece) return malloc(size_of(class));
  memcpy(&lists->heads[class], piece, sizeof(void *));
  lists->class_bytes[class] -= size_of(class);
  lists->bytes -= size_of(class);
  return piece;
}

static void give(void *piece, const char *file, int line) {
  (void)file, (void)line;
  if (!piece) return;
  size_t bytes = lists ? malloc_usable_size(piece) : 0;
  if (bytes < small_step || bytes > largest + small_step) {
    free(piece);
    return;
  }
  // It may be malloc's own generosity, or taken elsewhere: the class that it holds for certain.
  size_t class = bytes >= largest ? class_count - 1 : class_for(bytes);
  if (size_of(class) > bytes) class--;
  size_t size = size_of(class);
  if (lists->bytes + size > kept_bytes_max || lists->class_bytes[class] + size > kept_class_max) {
    free(piece);
    return;
  }
  memcpy(piece, &lists->heads[class], sizeof(void *));
  lists->heads[class] = piece;
  lists->class_bytes[class] += size;
  lists->bytes += size;
}

static void *take_again(void *piece, size_t bytes, const char *file, int line) {
  if (!piece) return take(bytes, file, line);
  if (bytes == 0) {
    give(piece, file, line);
    return NULL;
  }
  if (!lists) return realloc(piece, bytes);
  size_t before = malloc_usable_size(piece);
  if (bytes <= before) return piece;
  void *larger = take(bytes, file, line);
  if (!larger) return NULL;
  memcpy(larger, piece, before);
  give(piece, file, line);
  return larger;
}

// Ahead of every other constructor: once OpenSSL has taken memory it stays with malloc.
static int is_installed;
__attribute__((constructor(101))) static void install(void) {
  is_installed = CRYPTO_set_mem_functions(take, take_again, give);
}

int martlet_openssl_keeps_memory(void) {
  if (!lists && is_installed) lists = calloc(1, sizeof *lists);
  return lists != NULL;
}

size_t martlet_openssl_kept_bytes(void) {
  return lists ? lists->bytes : 0;
}
