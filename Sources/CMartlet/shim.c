#define _GNU_SOURCE
#include "cmartlet.h"
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void *martlet_memmem(const void *haystack, size_t count, const void *needle, size_t needle_count) {
  return memmem(haystack, count, needle, needle_count);
}

void cmartlet_signal_raise(uint32_t *word) {
  __atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

int cmartlet_signal_wait(uint32_t *word, uint64_t nanoseconds) {
  struct timespec limit = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
  while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0) {
    if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, &limit, 0, 0) == 0) continue;
    if (errno == EINTR) return 0;
    if (errno == ETIMEDOUT) break;
  }
  return __atomic_load_n(word, __ATOMIC_ACQUIRE) != 0;
}
