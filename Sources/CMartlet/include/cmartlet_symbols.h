#pragma once
#include <stddef.h>
#include <stdint.h>

// Names of functions, out of the symbol table of an ELF file.

typedef struct {
  uint64_t start;
  /// In the file's own text, until it is closed; NULL: the table has none for the address.
  const char *name;
} martlet_symbol;

typedef struct {
  const uint8_t *bytes;
  size_t count;
} martlet_symbol_file;

/// 0 where it can be read.
int martlet_symbols_open(const char *path, martlet_symbol_file *file);
void martlet_symbols_close(martlet_symbol_file *file);

/// `addresses`: in the file's own terms, ascending. One pass over the table (`.symtab`, else `.dynsym`).
void martlet_symbols_find(const martlet_symbol_file *file, const uint64_t *addresses, size_t count, martlet_symbol *symbols);

/// The name as a programmer wrote it (Swift, C++), to be freed; NULL: it is that already.
char *martlet_demangled(const char *name);
