/* What the three programs of perf/ share: the bytes that bodies are made of, their checksum,
 * a ring with a provided-buffer pool, sockets on loopback.
 *
 * Each program is one thread with one ring. Nothing here allocates or locks once running. */
#ifndef PERF_COMMON_H
#define PERF_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static inline uint64_t nowNs(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* ---- bytes ---- */

/* Bodies of N bytes are the first N bytes of one pseudo-random stream: a byte that is lost,
 * doubled or swapped shifts the rest and is seen, which a short repeating pattern would hide. */
enum { patternBytesMax = 64 << 20 };

static inline char *patternMake(size_t bytes) {
    size_t rounded = (bytes + 8) & ~(size_t)7;
    char *pattern = malloc(rounded);
    if (!pattern) die("no memory for %zu pattern bytes", bytes);
    uint64_t x = 0x9E3779B97F4A7C15ull;
    for (size_t i = 0; i < rounded; i += 8) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(pattern + i, &x, 8);
    }
    return pattern;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static inline uint32_t crc32cHardware(uint32_t crc, const char *p, size_t n) {
    uint64_t c = crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    for (; n; n--, p++) c = __builtin_ia32_crc32qi((uint32_t)c, (unsigned char)*p);
    return (uint32_t)c;
}
#endif

static inline uint32_t crc32cBitwise(uint32_t crc, const char *p, size_t n) {
    for (; n; n--, p++) {
        crc ^= (unsigned char)*p;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82F63B78u & -(crc & 1));
    }
    return crc;
}

/* CRC-32C over a stream in pieces: start with ~0, pass the last result on, invert at the end. */
static inline uint32_t crc32c(uint32_t crc, const char *p, size_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return crc32cHardware(crc, p, n);
#endif
    return crc32cBitwise(crc, p, n);
}

/* The body of `GET /`: 100 bytes. The load generator compares with the same text. */
static const char smallBody[] =
    "perf/backend says: this body has one hundred bytes, no more, no less, and each of them is checked..\n";
_Static_assert(sizeof smallBody - 1 == 100, "the small body has 100 bytes");

/* What an upload is answered with; both sides format it here so that they cannot disagree. */
static inline int uploadReply(char *out, size_t size, uint64_t bytes, uint32_t crc) {
    return snprintf(out, size, "{\"bytes\":%llu,\"crc32c\":\"%08x\"}\n", (unsigned long long)bytes, crc);
}

/* The bulk port: the client sends `R` or `W` and 15 digits. R: that many pattern bytes come back.
 * W: that many bytes follow, and the answer has 32 bytes (count, checksum). Then the next one. */
enum { bulkOrderBytes = 16, bulkReplyBytes = 32 };

static inline void bulkReply(char out[bulkReplyBytes + 1], uint64_t bytes, uint32_t crc) {
    snprintf(out, bulkReplyBytes + 1, "%015llu %08x      \n", (unsigned long long)bytes, crc);
}

/* ---- ring ---- */

/* SINGLE_ISSUER and DEFER_TASKRUN: completions run only when we enter, in a batch. The completion
 * queue is 16 times the submission queue: an overflow costs a flush per turn. */
static inline void ringMake(struct io_uring *ring, unsigned entries) {
    struct io_uring_params p = {0};
    p.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
              IORING_SETUP_SUBMIT_ALL;
    p.cq_entries = entries * 16;
    int result = io_uring_queue_init_params(entries, ring, &p);
    if (result < 0) die("io_uring_setup: %s", strerror(-result));
    io_uring_register_ring_fd(ring);
}

static inline struct io_uring_sqe *sqeNext(struct io_uring *ring) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (!sqe) {
        io_uring_submit(ring);
        sqe = io_uring_get_sqe(ring);
        if (!sqe) die("submission queue stays full");
    }
    return sqe;
}

/* Provided buffers, group 0. `give` is batched: `publish` once per turn is one store. */
struct Pool {
    struct io_uring_buf_ring *ring;
    char *base;
    unsigned size, count, given, free;
};

static inline char *poolBuffer(struct Pool *pool, unsigned id) { return pool->base + (size_t)id * pool->size; }

static inline void poolGive(struct Pool *pool, unsigned id) {
    io_uring_buf_ring_add(pool->ring, poolBuffer(pool, id), pool->size, (unsigned short)id,
                          io_uring_buf_ring_mask(pool->count), (int)pool->given++);
    pool->free++;
}

static inline void poolPublish(struct Pool *pool) {
    if (pool->given) io_uring_buf_ring_advance(pool->ring, (int)pool->given);
    pool->given = 0;
}

static inline void poolMake(struct Pool *pool, struct io_uring *ring, unsigned count, unsigned size) {
    size_t ringBytes = count * sizeof(struct io_uring_buf), bytes = (size_t)count * size;
    *pool = (struct Pool){.size = size, .count = count};
    pool->ring = mmap(NULL, ringBytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    pool->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (pool->ring == MAP_FAILED || pool->base == MAP_FAILED) die("no memory for the buffer ring");
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)pool->ring, .ring_entries = count, .bgid = 0};
    int result = io_uring_register_buf_ring(ring, &reg, 0);
    if (result < 0) die("register_buf_ring: %s", strerror(-result));
    io_uring_buf_ring_init(pool->ring);
    for (unsigned id = 0; id < count; id++) poolGive(pool, id);
    poolPublish(pool);
}

static inline void prepReceive(struct io_uring_sqe *sqe, int fd, uint64_t data) {
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    sqe->user_data = data;
}

/* MSG_WAITALL: the kernel itself waits for room and continues, so a send completes once, whole. */
static inline void prepSend(struct io_uring_sqe *sqe, int fd, const void *bytes, size_t n, uint64_t data) {
    io_uring_prep_send(sqe, fd, bytes, n, MSG_WAITALL | MSG_NOSIGNAL);
    sqe->user_data = data;
}

/* A socket has no flush, so the close runs inline; its success needs no completion. */
static inline void prepClose(struct io_uring_sqe *sqe, int fd, uint64_t data) {
    io_uring_prep_close(sqe, fd);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = data;
}

/* ---- sockets ---- */

static inline struct sockaddr_in loopback(unsigned port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static inline void setNoDelay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline int socketMake(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) setNoDelay(fd);
    return fd;
}

/* Accepted sockets inherit NODELAY from the listening one: one call less per connection. */
static inline int listenOn(unsigned port) {
    int fd = socketMake(), one = 1;
    if (fd < 0) die("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = loopback(port);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0) die("bind 127.0.0.1:%u: %s", port, strerror(errno));
    if (listen(fd, 4096) < 0) die("listen: %s", strerror(errno));
    return fd;
}

/* Nothing of ours outlives the script, and none of it is short of descriptors. */
static inline void processSetup(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

#endif
