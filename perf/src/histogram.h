/* Log-linear histogram of nanoseconds: 128 steps per power of two, so a reading is within 0.8 % of
 * the truth anywhere between 1 ns and 18 minutes, in 34 KiB and without allocation. */
#ifndef PERF_HISTOGRAM_H
#define PERF_HISTOGRAM_H

#include <stdint.h>

enum { stepBits = 7, steps = 1 << stepBits, powers = 40 - stepBits + 1 };

struct Histogram {
    uint64_t counts[powers * steps];
    uint64_t total, max;
    double sum;
};

static inline void histogramAdd(struct Histogram *h, uint64_t ns) {
    uint64_t v = ns >> 40 ? (1ull << 40) - 1 : ns;
    unsigned power = v < steps ? 0 : (unsigned)(63 - __builtin_clzll(v)) - stepBits + 1;
    uint64_t step = power ? (v >> (power - 1)) - steps : v;
    h->counts[power * steps + step]++;
    h->total++;
    h->sum += (double)ns;
    if (ns > h->max) h->max = ns;
}

/* The largest value of the step in which the quantile falls: never flatters. */
static inline uint64_t histogramAt(const struct Histogram *h, double quantile) {
    uint64_t want = (uint64_t)(quantile * (double)h->total + 0.999999), seen = 0;
    for (unsigned i = 0; i < powers * steps; i++) {
        seen += h->counts[i];
        if (seen < want || !seen) continue;
        unsigned power = i / steps;
        uint64_t step = i % steps, value = power ? ((step + steps + 1) << (power - 1)) - 1 : step;
        return value > h->max ? h->max : value;
    }
    return h->max;
}

#endif
