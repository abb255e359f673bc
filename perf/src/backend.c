/* The backend of every scenario: HTTP/1.1, TCP echo and TCP bulk, one thread, one ring, as cheap as
 * we can make it, because it shares its core with the load generator.
 *
 *     backend HTTP_PORT ECHO_PORT BULK_PORT
 *
 *     GET /              100 bytes (`smallBody`); so does any path that begins with /r/
 *     GET /size/N        N bytes of the pattern
 *     GET /headers       the small body under 12 response headers of 800 bytes in all
 *     GET /headers/edge  the same, but 400 unless the request carries `x-perf-edge: martlet`
 *     GET /accepted      how many HTTP connections were accepted so far, this one included
 *     POST, PUT          the count of bytes and their CRC-32C
 *
 * Answers stand ready in memory, head and body in one piece, and are sent from there. */
#include "http.h"

enum { bufferBytes = 32768, buffers = 256, outMax = 64, sizesMax = 32 };
enum Op { opAccept, opReceive, opSend, opClose };
enum Kind { kindHTTP, kindEcho, kindBulk, kinds };

static const char edgeLine[] = "x-perf-edge: martlet";

/* A piece of answer: static memory, a heap copy (`owned`), or a pool buffer (`buffer` >= 0). */
struct Out {
    const char *bytes;
    size_t length;
    int buffer;
    bool owned;
};

struct Connection {
    int fd;
    enum Kind kind;
    unsigned inFlight;
    bool receiving, sending, ending, dead;
    struct Out out[outMax]; /* a ring: echo may hold several buffers, pipelined requests several answers */
    unsigned outHead, outCount;
    char *partial;          /* a head that came in pieces; NULL as a rule */
    size_t partialBytes;
    bool inBody, closeAfter;
    int64_t bodyLeft;       /* -1: chunked */
    struct Chunks chunks;
    uint64_t bodyBytes;
    uint32_t crc;
} __attribute__((aligned(64)));

static struct io_uring ring;
static struct Pool pool;
static char *pattern;
static int listeners[kinds];
static struct Connection *starved[65536];
static unsigned starvedCount;

struct Answer {
    uint64_t size;
    char *bytes;
    size_t length;
};
static struct Answer sizes[sizesMax], small, smallClose, headers, badRequest, notFound;
static unsigned sizeCount;
static unsigned long long acceptedCount;

static uint64_t tag(struct Connection *c, enum Op op) { return (uint64_t)(uintptr_t)c | op; }

/* ---- answers ---- */

static struct Answer answerMake(const char *status, const char *fields, const char *body, size_t bodyBytes) {
    struct Answer answer = {.size = bodyBytes, .bytes = malloc(2048 + bodyBytes)};
    if (!answer.bytes) die("no memory for an answer of %zu bytes", bodyBytes);
    int head = snprintf(answer.bytes, 2048, "HTTP/1.1 %s\r\n%scontent-length: %zu\r\n\r\n", status, fields, bodyBytes);
    memcpy(answer.bytes + head, body, bodyBytes);
    answer.length = (size_t)head + bodyBytes;
    return answer;
}

/* 12 fields, 800 bytes with their line ends, of the kind a service behind a proxy sends. */
static void headersMake(void) {
    static const char *fields[] = {
        "content-type: text/plain; charset=utf-8", "date: Mon, 23 Nov 2026 08:00:00 GMT",
        "cache-control: private, max-age=0, must-revalidate", "etag: \"5f3a-61e0b6c1d2e3f-gzip\"",
        "vary: Accept-Encoding, Accept-Language, Cookie", "x-content-type-options: nosniff",
        "strict-transport-security: max-age=31536000; includeSubDomains; preload",
        "x-request-cost: 12.5", "last-modified: Sun, 22 Nov 2026 21:14:09 GMT",
        "set-cookie: session=3c9f0f6e2b1d4a7f8e5c6b7a90817263; Path=/; HttpOnly; Secure; SameSite=Lax"};
    char text[1024], filler[512];
    int n = 0;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s\r\n", fields[i]);
    /* The twelfth is content-length, written by answerMake; the eleventh fills up to 800. */
    int rest = 800 - n - (int)strlen("content-length: 100\r\n") - (int)strlen("x-trace: \r\n");
    memset(filler, 'a', (size_t)rest);
    filler[rest] = 0;
    snprintf(text + n, sizeof text - (size_t)n, "x-trace: %s\r\n", filler);
    headers = answerMake("200 OK", text, smallBody, 100);
}

static struct Answer *answerOfSize(uint64_t size) {
    for (unsigned i = 0; i < sizeCount; i++)
        if (sizes[i].size == size) return &sizes[i];
    if (sizeCount == sizesMax || size > patternBytesMax) return &notFound;
    sizes[sizeCount] = answerMake("200 OK", "content-type: application/octet-stream\r\n", pattern, size);
    return &sizes[sizeCount++];
}

/* ---- what goes out ---- */

static void receiveArm(struct Connection *c) {
    prepReceive(sqeNext(&ring), c->fd, tag(c, opReceive));
    c->receiving = true;
    c->inFlight++;
}

static void sendNext(struct Connection *c) {
    if (c->sending || !c->outCount || c->dead) return;
    struct Out *out = &c->out[c->outHead];
    prepSend(sqeNext(&ring), c->fd, out->bytes, out->length, tag(c, opSend));
    c->sending = true;
    c->inFlight++;
}

static void breakConnection(struct Connection *c) {
    if (c->dead) return;
    c->dead = true;
    shutdown(c->fd, SHUT_RDWR);
}

static void put(struct Connection *c, const char *bytes, size_t length, int buffer, bool owned) {
    if (c->outCount == outMax) {
        if (owned) free((void *)bytes);
        if (buffer >= 0) poolGive(&pool, (unsigned)buffer);
        return breakConnection(c); /* the peer does not read what it asked for */
    }
    c->out[(c->outHead + c->outCount++) % outMax] = (struct Out){bytes, length, buffer, owned};
    sendNext(c);
}

static void sendCopy(struct Connection *c, const char *bytes, size_t length) {
    char *copy = malloc(length);
    if (!copy) die("no memory");
    memcpy(copy, bytes, length);
    put(c, copy, length, -1, true);
}

static void dropOut(struct Connection *c) {
    struct Out *out = &c->out[c->outHead];
    if (out->owned) free((void *)out->bytes);
    if (out->buffer >= 0) poolGive(&pool, (unsigned)out->buffer);
    c->outHead = (c->outHead + 1) % outMax;
    c->outCount--;
}

/* ---- HTTP ---- */

static void answerAccepted(struct Connection *c) {
    char body[32], text[128];
    int bodyBytes = snprintf(body, sizeof body, "%llu\n", acceptedCount);
    int n = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s", bodyBytes, body);
    sendCopy(c, text, (size_t)n);
}

static void answerGet(struct Connection *c, const char *path, const char *end, const struct HeadFacts *facts) {
    struct Answer *answer = &notFound;
    size_t n = (size_t)(end - path);
    if (n == 1 || !strncmp(path, "/r/", 3)) answer = c->closeAfter ? &smallClose : &small;
    else if (n > 6 && !strncmp(path, "/size/", 6)) answer = answerOfSize(strtoull(path + 6, NULL, 10));
    else if (n == 8 && !strncmp(path, "/headers", 8)) answer = &headers;
    else if (n == 13 && !strncmp(path, "/headers/edge", 13)) answer = facts->probe ? &headers : &badRequest;
    else if (n == 9 && !strncmp(path, "/accepted", 9)) return answerAccepted(c);
    put(c, answer->bytes, answer->length, -1, false);
}

static void answerUpload(struct Connection *c) {
    char body[128], text[512];
    int bodyBytes = uploadReply(body, sizeof body, c->bodyBytes, ~c->crc);
    int n = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n%s",
                     c->closeAfter ? "connection: close\r\n" : "", bodyBytes, body);
    sendCopy(c, text, (size_t)n);
    c->inBody = false;
}

static void bodyReceived(struct Connection *c, const char **at, const char *end) {
    if (c->bodyLeft >= 0) {
        size_t n = (size_t)(end - *at);
        if ((int64_t)n > c->bodyLeft) n = (size_t)c->bodyLeft;
        c->crc = crc32c(c->crc, *at, n);
        c->bodyBytes += n;
        c->bodyLeft -= (int64_t)n;
        *at += n;
        if (!c->bodyLeft) answerUpload(c);
        return;
    }
    while (*at < end && c->chunks.state < chunkDone) {
        const char *data = at[0];
        size_t n = chunksTake(&c->chunks, at, end, &data);
        c->crc = crc32c(c->crc, data, n);
        c->bodyBytes += n;
    }
    if (c->chunks.state == chunkBad) breakConnection(c);
    if (c->chunks.state == chunkDone) answerUpload(c);
}

static void headReceived(struct Connection *c, const char *head, size_t n) {
    struct HeadFacts facts = headFacts(head, n, edgeLine);
    const char *path = memchr(head, ' ', n);
    const char *end = path ? memchr(path + 1, ' ', (size_t)(head + n - path - 1)) : NULL;
    if (!end || strncmp(end, " HTTP/1.", 8)) {
        put(c, badRequest.bytes, badRequest.length, -1, false);
        c->closeAfter = true;
        return;
    }
    c->closeAfter = facts.close || (end[8] == '0' && !facts.keepAlive);
    if (head[0] == 'G') return answerGet(c, path + 1, end, &facts);
    c->inBody = true;
    c->bodyLeft = facts.chunked ? -1 : facts.length > 0 ? facts.length : 0;
    c->bodyBytes = 0;
    c->crc = ~0u;
    c->chunks = (struct Chunks){0};
    static const char goOn[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (facts.expectContinue) put(c, goOn, sizeof goOn - 1, -1, false);
    if (!c->bodyLeft) answerUpload(c);
}

/* A head that is not whole moves to `partial` and is looked at again when more has come. */
static void httpReceived(struct Connection *c, const char *at, const char *end) {
    while (at < end && !c->dead && !(c->closeAfter && !c->inBody)) {
        if (c->inBody) {
            bodyReceived(c, &at, end);
            continue;
        }
        if (!c->partialBytes) {
            size_t n = headLength(at, (size_t)(end - at));
            if (n) {
                headReceived(c, at, n);
                at += n;
                continue;
            }
        }
        if (!c->partial && !(c->partial = malloc(headBytesMax))) die("no memory");
        size_t before = c->partialBytes, take = (size_t)(end - at);
        if (take > headBytesMax - before) take = headBytesMax - before;
        memcpy(c->partial + before, at, take);
        size_t n = headLength(c->partial, before + take);
        if (!n) {
            if (before + take == headBytesMax) return breakConnection(c);
            c->partialBytes = before + take;
            return;
        }
        c->partialBytes = 0;
        headReceived(c, c->partial, n);
        at += n - before;
    }
}

/* ---- TCP bulk ---- */

static void bulkReceived(struct Connection *c, const char *at, const char *end) {
    while (at < end && !c->dead) {
        if (!c->partial && !(c->partial = malloc(headBytesMax))) die("no memory");
        if (!c->inBody) {
            c->partial[c->partialBytes++] = *at++;
            if (c->partialBytes < bulkOrderBytes) continue;
            c->partialBytes = 0;
            c->partial[bulkOrderBytes] = 0;
            uint64_t n = strtoull(c->partial + 1, NULL, 10);
            if (c->partial[0] == 'R' && n && n <= patternBytesMax) {
                put(c, pattern, n, -1, false);
            } else if (c->partial[0] == 'W' && n) {
                c->inBody = true;
                c->bodyLeft = (int64_t)n;
                c->bodyBytes = n;
                c->crc = ~0u;
            } else breakConnection(c);
            continue;
        }
        size_t n = (size_t)(end - at);
        if ((int64_t)n > c->bodyLeft) n = (size_t)c->bodyLeft;
        c->crc = crc32c(c->crc, at, n);
        c->bodyLeft -= (int64_t)n;
        at += n;
        if (c->bodyLeft) continue;
        char reply[bulkReplyBytes + 1];
        bulkReply(reply, c->bodyBytes, ~c->crc);
        sendCopy(c, reply, bulkReplyBytes);
        c->inBody = false;
    }
}

/* ---- what comes in ---- */

static void acceptArm(enum Kind kind) {
    struct io_uring_sqe *sqe = sqeNext(&ring);
    io_uring_prep_multishot_accept(sqe, listeners[kind], NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = (uint64_t)kind << 3 | opAccept;
}

static void accepted(enum Kind kind, int fd) {
    struct Connection *c = NULL;
    if (posix_memalign((void **)&c, 64, sizeof *c)) die("no memory");
    memset(c, 0, sizeof *c);
    c->fd = fd;
    c->kind = kind;
    if (kind == kindHTTP) acceptedCount++;
    receiveArm(c);
}

static void received(struct Connection *c, const struct io_uring_cqe *cqe) {
    if (!(cqe->flags & IORING_CQE_F_MORE)) c->receiving = false;
    if (cqe->res == -ENOBUFS) return;
    if (cqe->res <= 0) {
        c->ending = true;
        if (cqe->res < 0) breakConnection(c);
        return;
    }
    unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    const char *bytes = poolBuffer(&pool, id);
    pool.free--;
    if (c->kind == kindEcho) return put(c, bytes, (size_t)cqe->res, (int)id, false);
    if (c->kind == kindHTTP) httpReceived(c, bytes, bytes + cqe->res);
    else bulkReceived(c, bytes, bytes + cqe->res);
    poolGive(&pool, id);
}

static void sent(struct Connection *c, int result) {
    c->sending = false;
    dropOut(c);
    if (result <= 0) breakConnection(c);
    sendNext(c);
}

/* Frees or re-arms; a connection in the starved list waits for its turn there. */
static void settle(struct Connection *c) {
    bool drained = !c->outCount && !c->sending;
    if (drained && (c->ending || (c->closeAfter && !c->inBody))) {
        if (c->receiving && !c->dead) breakConnection(c); /* ends the receive that is armed */
        c->dead = true;
    }
    if (c->dead) {
        if (c->inFlight) return;
        while (c->outCount) dropOut(c);
        prepClose(sqeNext(&ring), c->fd, opClose | (uint64_t)kinds << 3);
        free(c->partial);
        free(c);
        return;
    }
    if (!c->receiving && !c->ending && c->inFlight == (c->sending ? 1u : 0u)) {
        if (starvedCount == sizeof starved / sizeof *starved) die("more connections than the backend holds");
        c->inFlight++; /* the list's own reference */
        starved[starvedCount++] = c;
    }
}

static void feedStarved(void) {
    if (pool.free < buffers / 4) return;
    unsigned n = starvedCount;
    starvedCount = 0;
    for (unsigned i = 0; i < n; i++) {
        struct Connection *c = starved[i];
        c->inFlight--;
        if (!c->dead && !c->receiving && !c->ending) receiveArm(c);
        else settle(c);
    }
}

static void completed(const struct io_uring_cqe *cqe) {
    struct Connection *c = (struct Connection *)(uintptr_t)(cqe->user_data & ~63ull);
    enum Op op = cqe->user_data & 7;
    if (!c) {
        if (op != opAccept) return;
        enum Kind kind = cqe->user_data >> 3 & 7;
        if (cqe->res >= 0) accepted(kind, cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE)) acceptArm(kind);
        return;
    }
    if (!(cqe->flags & IORING_CQE_F_MORE)) c->inFlight--;
    if (op == opReceive) received(c, cqe);
    else sent(c, cqe->res);
    settle(c);
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: backend HTTP_PORT ECHO_PORT BULK_PORT");
    processSetup();
    pattern = patternMake(patternBytesMax);
    /* The fields that any origin sends; RFC 9110 §6.6.1 wants a Date of one with a clock. */
    static const char usual[] = "server: perf\r\ndate: Mon, 23 Nov 2026 08:00:00 GMT\r\ncontent-type: text/plain\r\n";
    char closing[256];
    snprintf(closing, sizeof closing, "%sconnection: close\r\n", usual);
    small = answerMake("200 OK", usual, smallBody, 100);
    smallClose = answerMake("200 OK", closing, smallBody, 100);
    badRequest = answerMake("400 Bad Request", "connection: close\r\n", "bad request\n", 12);
    notFound = answerMake("404 Not Found", "", "not found\n", 10);
    headersMake();
    ringMake(&ring, 1024);
    poolMake(&pool, &ring, buffers, bufferBytes);
    for (int kind = 0; kind < kinds; kind++) {
        listeners[kind] = listenOn((unsigned)atoi(argv[1 + kind]));
        acceptArm((enum Kind)kind);
    }
    for (;;) {
        int result = io_uring_submit_and_wait(&ring, 1);
        if (result < 0 && result != -EINTR) die("io_uring_enter: %s", strerror(-result));
        struct io_uring_cqe *cqe;
        unsigned head, n = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            completed(cqe);
            n++;
        }
        io_uring_cq_advance(&ring, n);
        poolPublish(&pool);
        if (starvedCount) feedStarved();
    }
}
