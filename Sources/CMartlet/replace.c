// Calls from one module to another go through words of the caller, which the dynamic linker has filled. A word is replaced in
// one store, so a thread that calls meanwhile gets the one or the other; code of ours that is on the way finishes.
#define _GNU_SOURCE
#include "replace.h"
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { kind_slot = R_X86_64_JUMP_SLOT, kind_data = R_X86_64_GLOB_DAT, kind_word = R_X86_64_64 };
#elif defined(__aarch64__)
enum { kind_slot = R_AARCH64_JUMP_SLOT, kind_data = R_AARCH64_GLOB_DAT, kind_word = R_AARCH64_ABS64 };
#endif

struct work {
  const struct martlet_replacement *replacements;
  size_t count;
  int32_t done;
};

static int is_protected(const struct dl_phdr_info *info, uintptr_t address) {
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + segment->p_vaddr, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    // As the linker does: a last page that is shared with other data stays writable.
    uintptr_t end = (start + segment->p_memsz) & ~(page - 1);
    if (segment->p_type == PT_GNU_RELRO && address >= start && address < end) return 1;
  }
  return 0;
}

static void set(const struct dl_phdr_info *info, uintptr_t address, void *value, struct work *work) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = address & ~(page - 1);
  // Full RELRO: the linker has made the page read-only; so it is left again.
  int protected = is_protected(info, address);
  if (protected && mprotect((void *)start, page, PROT_READ | PROT_WRITE) != 0) return;
  __atomic_store_n((void **)address, value, __ATOMIC_RELEASE);
  if (protected) mprotect((void *)start, page, PROT_READ);
  work->done++;
}

static void look(const struct dl_phdr_info *info, const ElfW(Rela) *entries, size_t bytes, const ElfW(Sym) *symbols, const char *names, struct work *work) {
  for (size_t i = 0; i < bytes / sizeof *entries; i++) {
    unsigned kind = (unsigned)ELF64_R_TYPE(entries[i].r_info);
    if (kind != kind_slot && kind != kind_data && kind != kind_word) continue;
    if (kind == kind_word && entries[i].r_addend != 0) continue;
    const ElfW(Sym) *symbol = &symbols[ELF64_R_SYM(entries[i].r_info)];
    const char *name = names + symbol->st_name;
    for (size_t k = 0; k < work->count; k++)
      if (strcmp(name, work->replacements[k].name) == 0) set(info, info->dlpi_addr + entries[i].r_offset, work->replacements[k].ours, work);
  }
}

static int visit(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  const ElfW(Dyn) *entry = NULL;
  for (int i = 0; i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_DYNAMIC) entry = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
  // The C library itself and the dynamic linker keep their own: what they allocate for themselves is theirs.
  if (!entry || strstr(info->dlpi_name, "linux-vdso") || strstr(info->dlpi_name, "/ld-linux") || strstr(info->dlpi_name, "/libc.so")) return 0;
  const ElfW(Sym) *symbols = NULL;
  const char *names = NULL;
  const ElfW(Rela) *relocations = NULL, *slots = NULL;
  size_t relocation_bytes = 0, slot_bytes = 0;
  for (; entry->d_tag != DT_NULL; entry++) {
    switch (entry->d_tag) {
      case DT_SYMTAB: symbols = (const void *)entry->d_un.d_ptr; break;
      case DT_STRTAB: names = (const void *)entry->d_un.d_ptr; break;
      case DT_RELA: relocations = (const void *)entry->d_un.d_ptr; break;
      case DT_RELASZ: relocation_bytes = entry->d_un.d_val; break;
      case DT_JMPREL: slots = (const void *)entry->d_un.d_ptr; break;
      case DT_PLTRELSZ: slot_bytes = entry->d_un.d_val; break;
    }
  }
  if (!symbols || !names) return 0;
  if (relocations) look(info, relocations, relocation_bytes, symbols, names, context);
  if (slots) look(info, slots, slot_bytes, symbols, names, context);
  return 0;
}

int32_t martlet_replace(const struct martlet_replacement *replacements, size_t count) {
  struct work work = {replacements, count, 0};
  dl_iterate_phdr(visit, &work);
  if (work.done > 0) return work.done;
  errno = ENOTSUP;
  return -1;
}
