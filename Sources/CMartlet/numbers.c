#include "cmartlet_numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t put_special(char *out, double value) {
  const char *text = isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
  size_t count = strlen(text);
  memcpy(out, text, count);
  return count;
}

size_t martlet_put_double_short(char *out, double value) {
  if (!isfinite(value)) return put_special(out, value);
  return (size_t)snprintf(out, martlet_double_bytes_max, "%.6g", value);
}

/// Digits behind the first one that tell the number from its neighbours. Fifteen digits are one number each and back, so that
/// those of them that are not zero at the end are the fewest; subnormal numbers have fewer digits, which are looked for one by one.
static int precision_of(double value) {
  char text[40];
  int first = 0;
  if (fpclassify(value) != FP_SUBNORMAL) {
    snprintf(text, sizeof text, "%.14e", value);
    if (strtod(text, NULL) == value) {
      const char *mark = strchr(text, 'e');
      int precision = 14;
      while (precision > 0 && *--mark == '0') precision--;
      return precision;
    }
    first = 15;
  }
  for (int precision = first; precision < 17; precision++) {
    snprintf(text, sizeof text, "%.*e", precision, value);
    if (strtod(text, NULL) == value) return precision;
  }
  return 17;
}

/// The scientific notation, and what its exponent is.
static size_t put_scientific(char *out, double value, int precision, int *exponent) {
  size_t count = (size_t)snprintf(out, martlet_double_bytes_max, "%.*e", precision, value);
  const char *mark = memchr(out, 'e', count);
  *exponent = mark ? atoi(mark + 1) : 0;
  return count;
}

static size_t put_plain(char *out, double value, int precision, int exponent) {
  int behind = precision - exponent;
  return (size_t)snprintf(out, martlet_double_bytes_max, "%.*f", behind > 0 ? behind : 0, value);
}

size_t martlet_put_double_exact(char *out, double value) {
  if (!isfinite(value)) return put_special(out, value);
  char plain[martlet_double_bytes_max];
  int precision = precision_of(value), exponent = 0;
  size_t count = put_scientific(out, value, precision, &exponent);
  size_t other = put_plain(plain, value, precision, exponent);
  if (other > count) return count;
  memcpy(out, plain, other);
  return other;
}

size_t martlet_put_double_general(char *out, double value) {
  if (!isfinite(value)) return put_special(out, value);
  int precision = precision_of(value), exponent = 0;
  size_t count = put_scientific(out, value, precision, &exponent);
  if (value == 0 || (exponent >= -4 && exponent < 6)) return put_plain(out, value, precision, exponent);
  return count;
}

int martlet_get_double(const unsigned char *text, size_t count, double *value) {
  char copy[martlet_double_text_max + 1];
  if (count == 0 || count >= sizeof copy || memchr(text, 0, count)) return 0;
  memcpy(copy, text, count);
  copy[count] = 0;
  char *end = copy;
  *value = strtod(copy, &end);
  return end == copy + count;
}
