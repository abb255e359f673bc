// Symbol tables of ELF files. The file is what lies on disk: whatever it says is checked against its size.
#include "cmartlet_symbols.h"
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

char *swift_demangle(const char *name, size_t count, char *buffer, size_t *buffer_count, uint32_t flags);
char *__cxa_demangle(const char *name, char *buffer, size_t *count, int *status);

int martlet_symbols_open(const char *path, martlet_symbol_file *file) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  struct stat facts;
  void *bytes = MAP_FAILED;
  if (fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0)
    bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  close(descriptor);
  if (bytes == MAP_FAILED) return -1;
  file->bytes = bytes;
  file->count = (size_t)facts.st_size;
  return 0;
}

void martlet_symbols_close(martlet_symbol_file *file) { munmap((void *)file->bytes, file->count); }

static int holds(const martlet_symbol_file *file, uint64_t offset, uint64_t bytes) {
  return offset <= file->count && bytes <= file->count - offset;
}

static int section(const martlet_symbol_file *file, const Elf64_Ehdr *header, uint64_t number, Elf64_Shdr *result) {
  if (number >= header->e_shnum || header->e_shentsize != sizeof *result) return 0;
  // The products are within 32 bits; the sum may not be.
  uint64_t offset = number * sizeof *result;
  if (header->e_shoff > UINT64_MAX - offset || !holds(file, header->e_shoff + offset, sizeof *result)) return 0;
  memcpy(result, file->bytes + header->e_shoff + offset, sizeof *result);
  return holds(file, result->sh_offset, result->sh_size) || result->sh_type == SHT_NOBITS;
}

// Everything that begins at or before its address and ends behind it; the last to begin wins, and of several of one place
// the first that is no alias with a dot in front.
static void look(const martlet_symbol_file *file, const Elf64_Shdr *table, const Elf64_Shdr *texts, const uint64_t *addresses, size_t count, martlet_symbol *symbols) {
  const char *names = (const char *)file->bytes + texts->sh_offset;
  if (texts->sh_size == 0 || names[texts->sh_size - 1] != 0) return;
  for (uint64_t at = 0; table->sh_size - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol;
    memcpy(&symbol, file->bytes + table->sh_offset + at, sizeof symbol);
    unsigned type = ELF64_ST_TYPE(symbol.st_info);
    if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF || symbol.st_name >= texts->sh_size) continue;
    size_t low = 0, high = count;
    while (low < high) {
      size_t middle = low + (high - low) / 2;
      if (addresses[middle] < symbol.st_value) low = middle + 1;
      else high = middle;
    }
    for (; low < count && addresses[low] - symbol.st_value < symbol.st_size; low++) {
      if (symbols[low].name && symbols[low].start >= symbol.st_value) continue;
      symbols[low].start = symbol.st_value;
      symbols[low].name = names + symbol.st_name;
    }
  }
}

void martlet_symbols_find(const martlet_symbol_file *file, const uint64_t *addresses, size_t count, martlet_symbol *symbols) {
  memset(symbols, 0, count * sizeof *symbols);
  Elf64_Ehdr header;
  if (file->count < sizeof header) return;
  memcpy(&header, file->bytes, sizeof header);
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64) return;
  static const uint32_t kinds[] = {SHT_SYMTAB, SHT_DYNSYM};
  for (int kind = 0; kind < 2; kind++) {
    for (uint64_t i = 0; i < header.e_shnum; i++) {
      Elf64_Shdr table, texts;
      if (!section(file, &header, i, &table) || table.sh_type != kinds[kind]) continue;
      if (!section(file, &header, table.sh_link, &texts) || texts.sh_type != SHT_STRTAB) continue;
      look(file, &table, &texts, addresses, count, symbols);
      return;
    }
  }
}

char *martlet_demangled(const char *name) {
  if (name[0] == '$' && (name[1] == 's' || name[1] == 'S')) return swift_demangle(name, strlen(name), NULL, NULL, 0);
  if (name[0] == '_' && name[1] == 'Z') return __cxa_demangle(name, NULL, NULL, NULL);
  return NULL;
}
