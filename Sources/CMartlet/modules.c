// The program and its libraries: where their code lies, which file it is from, where their unwind tables are.
#define _GNU_SOURCE
#include "modules.h"
#include <link.h>
#include <pthread.h>
#include <string.h>

struct martlet_module martlet_modules[martlet_modules_max];
size_t martlet_module_count;

static void find_build_id(struct martlet_module *module, const uint8_t *notes, size_t bytes) {
  while (bytes >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    memcpy(&note, notes, sizeof note);
    size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3, text = ((size_t)note.n_descsz + 3) & ~(size_t)3;
    size_t whole = sizeof note + name + text;
    if (whole > bytes) return;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + sizeof note, "GNU", 4) == 0) {
      module->build_id = notes + sizeof note + name;
      module->build_id_bytes = note.n_descsz;
    }
    notes += whole;
    bytes -= whole;
  }
}

static int add_module(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size, (void)unused;
  size_t count = martlet_module_count;
  struct martlet_module module = {.start = UINTPTR_MAX, .bias = info->dlpi_addr};
  const uint8_t *header = NULL;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + segment->p_vaddr;
    if (segment->p_type == PT_GNU_EH_FRAME) header = (const uint8_t *)start;
    if (segment->p_type == PT_NOTE) find_build_id(&module, (const uint8_t *)start, segment->p_memsz);
    if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X)) continue;
    if (start < module.start) {
      module.start = start;
      module.offset = segment->p_offset;
    }
    if (start + segment->p_memsz > module.end) module.end = start + segment->p_memsz;
  }
  if (module.end == 0 || count == martlet_modules_max) return 0;
  for (size_t i = 0; i < count; i++)
    if (martlet_modules[i].start == module.start) return 0;
  // The first is the program, whose name is empty. Its file may have been replaced since; what runs can still be read.
  module.path = count == 0 ? "/proc/self/exe" : info->dlpi_name;
  // Version 1, a pointer and a count of four bytes each, a table of pairs relative to the header: what linkers write.
  if (header && header[0] == 1 && (header[1] & 0x0f) == 0x0b && header[2] == 0x03 && header[3] == 0x3b) {
    uint32_t entries;
    memcpy(&entries, header + 8, 4);
    module.base = (uintptr_t)header;
    module.entries = (const int32_t *)(header + 12);
    module.count = entries;
  }
  martlet_modules[count] = module;
  __atomic_store_n(&martlet_module_count, count + 1, __ATOMIC_RELEASE);
  return 0;
}

void martlet_list_modules(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  dl_iterate_phdr(add_module, NULL);
  pthread_mutex_unlock(&lock);
}

martlet_module_facts martlet_module_facts_of(size_t number) {
  martlet_module_facts facts = {0};
  if (number >= __atomic_load_n(&martlet_module_count, __ATOMIC_ACQUIRE)) return facts;
  const struct martlet_module *module = &martlet_modules[number];
  facts.start = module->start;
  facts.end = module->end;
  facts.bias = module->bias;
  facts.offset = module->offset;
  facts.path = module->path;
  facts.build_id = module->build_id;
  facts.build_id_bytes = module->build_id_bytes;
  return facts;
}

uintptr_t martlet_function_start(uintptr_t address) {
  size_t count = __atomic_load_n(&martlet_module_count, __ATOMIC_ACQUIRE);
  for (size_t i = 0; i < count; i++) {
    const struct martlet_module *module = &martlet_modules[i];
    if (address < module->start || address >= module->end || module->count == 0) continue;
    int64_t wanted = (int64_t)(address - module->base);
    size_t low = 0, high = module->count;
    while (high - low > 1) {
      size_t middle = low + (high - low) / 2;
      if (module->entries[2 * middle] <= wanted) low = middle;
      else high = middle;
    }
    if (module->entries[2 * low] > wanted) return 0;
    uintptr_t start = module->base + (uintptr_t)(intptr_t)module->entries[2 * low];
    // Not every function has a description (Sources/martlet/program.ld), and this may be the one before. Behind two words stand
    // the start, relative to its place where that gives what the table says, and the length.
    const uint8_t *description = (const uint8_t *)(module->base + (uintptr_t)(intptr_t)module->entries[2 * low + 1]);
    int32_t relative;
    uint32_t bytes;
    memcpy(&relative, description + 8, 4);
    memcpy(&bytes, description + 12, 4);
    if ((uintptr_t)description + 8 + (uintptr_t)(intptr_t)relative == start && bytes != 0 && address - start >= bytes) return 0;
    return start;
  }
  return 0;
}

int32_t martlet_is_behind_system_call(uintptr_t address) {
#if defined(__x86_64__)
  size_t count = __atomic_load_n(&martlet_module_count, __ATOMIC_ACQUIRE);
  for (size_t i = 0; i < count; i++) {
    if (address < martlet_modules[i].start + 2 || address >= martlet_modules[i].end) continue;
    const uint8_t *code = (const uint8_t *)address;
    return code[-2] == 0x0f && code[-1] == 0x05;
  }
#endif
  (void)address;
  return 0;
}
