#define _GNU_SOURCE
#include "cmartlet.h"
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/futex.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void *martlet_memmem(const void *haystack, size_t count, const void *needle, size_t needle_count) {
  return memmem(haystack, count, needle, needle_count);
}

/// Of an entry of /proc/self/pagemap: a page of the file as it is, or none. What was written into is the process's own: by the
/// loader, by a debugger or a probe of eBPF into code, by the kernel behind a file's end.
static int is_clean(uint64_t entry) {
  const uint64_t present = 1ull << 63, swapped = 1ull << 62, of_file = 1ull << 61;
  return entry & present ? (entry & of_file) != 0 : !(entry & swapped);
}

static void release_pages(int pagemap, uintptr_t start, uintptr_t end, uintptr_t page) {
  enum { at_once = 512 };
  uint64_t entries[at_once];
  while (start < end) {
    size_t wanted = (end - start) / page < at_once ? (end - start) / page : at_once;
    ssize_t got = pread(pagemap, entries, wanted * sizeof *entries, (off_t)(start / page * sizeof *entries));
    if (got < (ssize_t)sizeof *entries) return;
    size_t count = (size_t)got / sizeof *entries;
    for (size_t i = 0, first = 0; i <= count; i++) {
      if (i < count && is_clean(entries[i])) continue;
      if (i > first) madvise((void *)(start + first * page), (i - first) * page, MADV_DONTNEED);
      first = i + 1;
    }
    start += count * page;
  }
}

static int release_module(struct dl_phdr_info *info, size_t size, void *pagemap) {
  (void)size;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  if (info->dlpi_addr == getauxval(AT_SYSINFO_EHDR)) return 0;  // the kernel's own
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    // Never a segment that can be written: others may do so meanwhile.
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
    uintptr_t start = (info->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
    uintptr_t end = (info->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~(page - 1);
    release_pages(*(int *)pagemap, start, end, page);
  }
  return 0;
}

void martlet_release_spare_memory(void) {
  malloc_trim(0);
  int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap < 0) return;
  dl_iterate_phdr(release_module, &pagemap);
  close(pagemap);
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

int martlet_separate_objects_wanted(void) {
  static int answer = -1;
  int known = __atomic_load_n(&answer, __ATOMIC_RELAXED);
  if (known < 0) {
    known = getenv("MARTLET_SEPARATE_OBJECTS") != NULL;
    __atomic_store_n(&answer, known, __ATOMIC_RELAXED);
  }
  return known;
}
