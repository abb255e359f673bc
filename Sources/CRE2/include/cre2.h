// RE2 behind a C interface. Programs are immutable and may be used by several threads at once; RE2 takes a
// reader-writer lock on its state cache inside a match.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cre2_regex cre2_regex;

// Never NULL but when memory is exhausted; ask cre2_error before use.
cre2_regex *_Nullable cre2_new(const uint8_t *_Nonnull pattern, size_t count, int64_t max_mem);
/// The same of UTF-8: `.` is a character, and a byte that belongs to none is matched by nothing.
cre2_regex *_Nullable cre2_new_of_characters(const uint8_t *_Nonnull pattern, size_t count, int64_t max_mem);
void cre2_delete(cre2_regex *_Nonnull regex);
// RE2's message, or NULL when the pattern is good. Lives as long as the regex.
const char *_Nullable cre2_error(const cre2_regex *_Nonnull regex);
int cre2_capture_count(const cre2_regex *_Nonnull regex);
/// Instructions of the compiled program.
int cre2_program_size(const cre2_regex *_Nonnull regex);
// The whole text must match.
bool cre2_full_match(const cre2_regex *_Nonnull regex, const uint8_t *_Nonnull text, size_t count);
// Some part of the text must match.
bool cre2_partial_match(const cre2_regex *_Nonnull regex, const uint8_t *_Nonnull text, size_t count);

// Replaces every match by `rewrite` (with \0 … \9); a rewrite that names a missing group changes nothing. The result
// lies in memory of the calling thread until its next call here.
const uint8_t *_Nonnull cre2_global_replace(const cre2_regex *_Nonnull regex, const uint8_t *_Nonnull text,
                                            size_t count, const uint8_t *_Nonnull rewrite, size_t rewrite_count,
                                            size_t *_Nonnull result_count);
// NULL when `rewrite` is good for this regex, else the reason, in memory of the calling thread until its next call.
const char *_Nullable cre2_check_rewrite(const cre2_regex *_Nonnull regex, const uint8_t *_Nonnull rewrite,
                                         size_t count);

typedef struct cre2_set cre2_set;

cre2_set *_Nullable cre2_set_new(int64_t max_mem);
void cre2_set_delete(cre2_set *_Nonnull set);
// The pattern's number, counted from 0, or -1 when it is not a regex.
int cre2_set_add(cre2_set *_Nonnull set, const uint8_t *_Nonnull pattern, size_t count);
bool cre2_set_compile(cre2_set *_Nonnull set);
// How many patterns match the whole text; their numbers, ascending, in memory of the calling thread until its next
// call. -1 when the bound of memory was reached: the caller asks each pattern by itself.
int cre2_set_match(const cre2_set *_Nonnull set, const uint8_t *_Nonnull text, size_t count,
                   const int *_Nullable *_Nonnull numbers);

#ifdef __cplusplus
}
#endif
