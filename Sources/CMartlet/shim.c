#define _GNU_SOURCE
#include "cmartlet.h"
#include <errno.h>
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

/// Whether the loader wrote addresses into segments that are read-only since.
static int has_text_relocations(struct dl_phdr_info *info) {
  for (int i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    for (const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr); entry->d_tag != DT_NULL; entry++)
      if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && entry->d_un.d_val & DF_TEXTREL)) return 1;
  }
  return 0;
}

static int release_module(struct dl_phdr_info *info, size_t size, void *vdso) {
  (void)size;
  if (info->dlpi_addr == (uintptr_t)vdso || has_text_relocations(info)) return 0;  // the first is the kernel's own
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    // Never a segment that was or can be written: its pages are not in the file.
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
    uintptr_t start = (info->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
    uintptr_t end = (info->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~(page - 1);
    if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
  }
  return 0;
}

void martlet_release_spare_memory(void) {
  malloc_trim(0);
  dl_iterate_phdr(release_module, (void *)getauxval(AT_SYSINFO_EHDR));
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
