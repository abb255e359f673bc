#define _GNU_SOURCE
#include "cmartlet.h"

void *martlet_memmem(const void *haystack, size_t count, const void *needle, size_t needle_count) {
  return memmem(haystack, count, needle, needle_count);
}

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

static int release_program(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size, (void)unused;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    // Never a segment that was or can be written: its pages are not in the file.
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
    uintptr_t start = (info->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
    uintptr_t end = (info->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~(page - 1);
    if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
  }
  return 1;  // the first is the program itself
}

void martlet_release_spare_memory(void) {
  malloc_trim(0);
  dl_iterate_phdr(release_program, NULL);
}
