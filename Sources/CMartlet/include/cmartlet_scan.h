// Byte scans for the text codecs: sixteen bytes at a time with SSE2, one at a time elsewhere.
//
// Every function takes `limit` beside `end`: bytes up to `limit` may be read (and, where `p` is writable, written back
// unchanged), so that the last few bytes of a line need no loop of their own. What lies past `end` never changes a result.
#pragma once
#include <stddef.h>
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// RFC 9110 §5.6.2: a token's bytes map to themselves, letters to lower case; every other byte maps to 0.
static const uint8_t martlet_token[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*', ['+'] = '+',
    ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`', ['|'] = '|', ['~'] = '~',
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7',
    ['8'] = '8', ['9'] = '9',
    ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h',
    ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p',
    ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x',
    ['y'] = 'y', ['z'] = 'z',
    ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h',
    ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p',
    ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x',
    ['Y'] = 'y', ['Z'] = 'z',
};

static inline uint8_t martlet_token_byte(uint8_t byte) { return martlet_token[byte]; }

// Offset of the first control byte (below 0x20 but for HTAB, or DEL) in `p ..< end`; `end - p` when there is none.
static inline size_t martlet_scan_control(const uint8_t *p, const uint8_t *end, const uint8_t *limit) {
  const uint8_t *start = p;
#if defined(__SSE2__)
  const __m128i below = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
  while (p < end && limit - p >= 16) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(x, below), below);
    __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(x, tab), control), _mm_cmpeq_epi8(x, del));
    unsigned mask = (unsigned)_mm_movemask_epi8(bad);
    if (mask) {
      p += __builtin_ctz(mask);
      return (size_t)((p < end ? p : end) - start);
    }
    p += 16;
  }
#endif
  while (p < end && ((*p >= 0x20 && *p != 0x7f) || *p == '\t')) p++;
  return (size_t)((p < end ? p : end) - start);
}

// Offset of the first byte that is not visible ASCII (0x21 ... 0x7e) in `p ..< end`; `end - p` when there is none.
static inline size_t martlet_scan_visible(const uint8_t *p, const uint8_t *end, const uint8_t *limit) {
  const uint8_t *start = p;
#if defined(__SSE2__)
  // As signed bytes: what is not above 0x20 is a control, a space or not ASCII.
  const __m128i space = _mm_set1_epi8(0x20), del = _mm_set1_epi8(0x7f);
  while (p < end && limit - p >= 16) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    __m128i good = _mm_andnot_si128(_mm_cmpeq_epi8(x, del), _mm_cmpgt_epi8(x, space));
    unsigned mask = (unsigned)_mm_movemask_epi8(good) ^ 0xffffu;
    if (mask) {
      p += __builtin_ctz(mask);
      return (size_t)((p < end ? p : end) - start);
    }
    p += 16;
  }
#endif
  while (p < end && *p > 0x20 && *p < 0x7f) p++;
  return (size_t)((p < end ? p : end) - start);
}

// Length of the field name at `p`, which must end in ':' before `end`; its letters are put in lower case in place.
// 0 when there is no name, no colon, or a byte that no token has.
static inline size_t martlet_scan_name(uint8_t *p, const uint8_t *end, const uint8_t *limit) {
  uint8_t *start = p;
#if defined(__SSE2__)
  // Letters, digits and '-' are nearly all there is; a name with another token byte takes the loop below.
  const __m128i dash = _mm_set1_epi8('-'), bit = _mm_set1_epi8(0x20);
  while (limit - p >= 16) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    __m128i folded = _mm_or_si128(x, bit);
    // Unsigned range checks by saturating subtraction: (x - 'a') <= 25 and (x - '0') <= 9.
    __m128i letter = _mm_cmpeq_epi8(_mm_subs_epu8(_mm_sub_epi8(folded, _mm_set1_epi8('a')), _mm_set1_epi8(25)),
                                    _mm_setzero_si128());
    __m128i digit = _mm_cmpeq_epi8(_mm_subs_epu8(_mm_sub_epi8(x, _mm_set1_epi8('0')), _mm_set1_epi8(9)),
                                   _mm_setzero_si128());
    __m128i good = _mm_or_si128(_mm_or_si128(letter, digit), _mm_cmpeq_epi8(x, dash));
    unsigned stop = (unsigned)_mm_movemask_epi8(good) ^ 0xffffu;
    unsigned length = stop ? (unsigned)__builtin_ctz(stop) : 16;
    // Fold only the name's own letters: what follows the colon keeps its case.
    const __m128i index = _mm_set_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m128i own = _mm_cmplt_epi8(index, _mm_set1_epi8((char)length));
    __m128i fold = _mm_and_si128(_mm_and_si128(letter, own), bit);
    _mm_storeu_si128((__m128i *)p, _mm_or_si128(x, fold));
    p += length;
    if (length == 16) continue;
    if (*p == ':') return p < end ? (size_t)(p - start) : 0;
    break;
  }
#endif
  while (p < end && martlet_token[*p]) {
    *p = martlet_token[*p];
    p++;
  }
  return p < end && *p == ':' ? (size_t)(p - start) : 0;
}

// Copies `count` bytes, sixteen at a time where both sides have room: up to fifteen bytes beyond `count` may be read
// from `source` (below `limit`) and written to `target` (the caller keeps sixteen spare bytes there).
static inline void martlet_copy_spare(uint8_t *target, const uint8_t *source, size_t count, const uint8_t *limit) {
#if defined(__SSE2__)
  if (count <= 64 && limit - source >= 64) {
    size_t done = 0;
    do {
      _mm_storeu_si128((__m128i *)(target + done), _mm_loadu_si128((const __m128i *)(source + done)));
      done += 16;
    } while (done < count);
    return;
  }
#endif
  __builtin_memcpy(target, source, count);
}
