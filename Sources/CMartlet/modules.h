// The loaded modules, as the files of the profilers share them.
#pragma once
#include "cmartlet_unwind.h"
#include <stddef.h>
#include <stdint.h>

struct martlet_module {
  uintptr_t start, end;    // of the code
  uintptr_t bias;          // what a file's own addresses are moved by
  uint64_t offset;         // of the code in the file
  uintptr_t base;          // what the addresses in `entries` are relative to
  const int32_t *entries;  // pairs: function, its frame description; in ascending order
  size_t count;
  const char *path;
  const uint8_t *build_id;
  size_t build_id_bytes;
};

extern struct martlet_module martlet_modules[];
// Grows only, after the module is written.
extern size_t martlet_module_count;
