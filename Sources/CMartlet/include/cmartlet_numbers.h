// Texts of doubles without an allocation.
#pragma once
#include <stddef.h>

enum {
  /// Room that every text fits into.
  martlet_double_bytes_max = 352,
  /// What is read as a number is no longer.
  martlet_double_text_max = 4096,
};

/// C's `%.6g`.
size_t martlet_put_double_short(char *out, double value);
/// All digits that are needed to read the same number again, in the shorter of both notations; the plain one when they are as long.
size_t martlet_put_double_exact(char *out, double value);
/// The same digits, and the scientific notation below 1e-4 and from 1e6 on.
size_t martlet_put_double_general(char *out, double value);

/// A number as C reads it: the whole text, at most `martlet_double_text_max` bytes of it. 0: it is none.
int martlet_get_double(const unsigned char *text, size_t count, double *value);
