// Functions in front of others'. Within CMartlet.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct martlet_replacement {
  const char *name;
  void *ours;
};

/// Writes the addresses of ours into the tables through which loaded modules call what is named (their GOT), where the real
/// function stands there now. How many places; -1 where none was.
int32_t martlet_replace(const struct martlet_replacement *replacements, size_t count);
