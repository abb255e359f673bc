/* Counts heap allocations of the program it is preloaded into, for others to read while that runs.
 *
 *     MARTLET_ALLOCATIONS=FILE LD_PRELOAD=allocations.so PROGRAM
 *
 * FILE (8 bytes at least, made by the reader) is mapped and holds the count: calls of malloc, calloc,
 * realloc, aligned_alloc, posix_memalign and memalign, by all threads. What libc itself calls inside
 * (stdio buffers) goes through the same names and is counted too.
 *
 * With `-DCONTROL` this is the control instead: a program that allocates as often as it is told. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef CONTROL
int main(int argc, char **argv) {
    void *volatile kept = NULL;
    for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--) {
        kept = malloc(24);
        free(kept);
    }
    return 0;
}
#else
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static uint64_t unread; /* until the file is mapped */
static uint64_t *count = &unread;

__attribute__((constructor)) static void mapCount(void) {
    const char *path = getenv("MARTLET_ALLOCATIONS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *memory = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED) count = memory;
}

static void counted(void) { __atomic_fetch_add(count, 1, __ATOMIC_RELAXED); }

void *malloc(size_t bytes) { counted(); return __libc_malloc(bytes); }
void *calloc(size_t n, size_t bytes) { counted(); return __libc_calloc(n, bytes); }
void *realloc(void *old, size_t bytes) { counted(); return __libc_realloc(old, bytes); }
void *memalign(size_t alignment, size_t bytes) { counted(); return __libc_memalign(alignment, bytes); }
void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void **out, size_t alignment, size_t bytes) {
    void *memory = memalign(alignment, bytes);
    if (!memory) return ENOMEM;
    *out = memory;
    return 0;
}
#endif
