// Regular expressions of ECMAScript behind a C interface: what Envoy compiles the patterns of `stats_config.stats_tags`
// with (they look ahead, which RE2 cannot). They backtrack: for patterns of the operator's and names of statistics only.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ecma_regex ecma_regex;

// NULL when the pattern is wrong: `reason` then says why, in memory of the calling thread until its next call.
ecma_regex *_Nullable ecma_new(const uint8_t *_Nonnull pattern, size_t count,
                               const char *_Nullable *_Nonnull reason);
void ecma_delete(ecma_regex *_Nonnull regex);

typedef struct {
  // Offsets of the first and the second group; a group that took no part stands empty at the end of the text.
  size_t begin[2], end[2];
  // Groups that the pattern has.
  size_t groups;
} ecma_match;

// The first place in the text where it matches. False: nowhere, or the search took too much memory.
bool ecma_find(const ecma_regex *_Nonnull regex, const uint8_t *_Nonnull text, size_t count,
               ecma_match *_Nonnull match);

#ifdef __cplusplus
}
#endif
