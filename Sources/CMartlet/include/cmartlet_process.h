// What the Glibc module does not show of the process.
#pragma once
#include <malloc.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int32_t martlet_thread_id(void) { return (int32_t)syscall(SYS_gettid); }

typedef struct {
  uint64_t arena, mapped, used, free;
} martlet_heap;

// glibc's count over all its arenas.
static inline martlet_heap martlet_heap_now(void) {
  struct mallinfo2 info = mallinfo2();
  martlet_heap heap = {info.arena, info.hblkhd, info.uordblks, info.fordblks};
  return heap;
}
