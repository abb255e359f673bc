#pragma once
#include <stddef.h>

// What the address sanitizer has to be told: it cannot see inside memory that we hand out ourselves. What lies on a free
// list, or is with the kernel, is poisoned. Swift's importer knows of the sanitizer only with `-Xcc -fsanitize=address`
// (`make sanitize`) or `-Xcc -DMARTLET_ASAN` (the fuzz targets); without either everything here is empty.

// With MARTLET_SEPARATE_OBJECTS in the environment every block, slab entry and segment is an allocation of its own and
// nothing is kept for reuse: the sanitizer's red zones and quarantine then work for each of them.
int martlet_separate_objects_wanted(void);

#if __has_feature(address_sanitizer) && !defined(MARTLET_ASAN)
#define MARTLET_ASAN 1
#endif
#ifdef MARTLET_ASAN
void __asan_poison_memory_region(void const volatile *addr, size_t size);
void __asan_unpoison_memory_region(void const volatile *addr, size_t size);
int __asan_address_is_poisoned(void const volatile *addr);
static inline void martlet_poison(const void *p, size_t n) { __asan_poison_memory_region(p, n); }
static inline void martlet_unpoison(const void *p, size_t n) { __asan_unpoison_memory_region(p, n); }
static inline int martlet_is_poisoned(const void *p) { return __asan_address_is_poisoned(p); }
static inline int martlet_poisons(void) { return 1; }
static inline int martlet_separates_objects(void) { return martlet_separate_objects_wanted(); }
#else
static inline void martlet_poison(const void *p, size_t n) { (void)p; (void)n; }
static inline void martlet_unpoison(const void *p, size_t n) { (void)p; (void)n; }
static inline int martlet_is_poisoned(const void *p) { (void)p; return 0; }
static inline int martlet_poisons(void) { return 0; }
static inline int martlet_separates_objects(void) { return 0; }
#endif
