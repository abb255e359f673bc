#define _GNU_SOURCE
#include "cmartlet.h"

void *martlet_memmem(const void *haystack, size_t count, const void *needle, size_t needle_count) {
  return memmem(haystack, count, needle, needle_count);
}
