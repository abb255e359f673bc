/* The little HTTP/1.1 that the backend and the load generator need: where a head ends, the value
 * of a header, and chunked bodies. They trust each other; a proxy between them is what they judge,
 * so whatever is not as expected is an error, never repaired. */
#ifndef PERF_HTTP_H
#define PERF_HTTP_H

#include "common.h"

enum { headBytesMax = 16384 };

/* Bytes up to and with the empty line; 0: not all here yet. */
static inline size_t headLength(const char *bytes, size_t n) {
    const char *end = memmem(bytes, n, "\r\n\r\n", 4);
    return end ? (size_t)(end - bytes) + 4 : 0;
}

/* What both sides want to know of a head. `length` is -1 where no Content-Length stands. */
struct HeadFacts {
    int64_t length;
    bool chunked, close, keepAlive, expectContinue, probe;
};

static inline bool valueHas(const char *value, size_t n, const char *word) {
    size_t w = strlen(word);
    for (size_t i = 0; i + w <= n; i++)
        if (!strncasecmp(value + i, word, w)) return true;
    return false;
}

/* `probe`: a whole header line ("name: value") whose presence is asked; NULL: none. Most lines are
 * passed over on their first letter. */
static inline struct HeadFacts headFacts(const char *head, size_t n, const char *probe) {
    struct HeadFacts facts = {.length = -1};
    size_t probeLength = probe ? strlen(probe) : 0;
    const char *end = head + n - 2, *line = memchr(head, '\n', n) + 1;
    while (line < end) {
        const char *stop = memchr(line, '\r', (size_t)(head + n - line));
        if (!stop) break;
        size_t length = (size_t)(stop - line);
        switch (line[0] | 0x20) {
        case 'c':
            if (length > 15 && !strncasecmp(line, "content-length:", 15)) facts.length = atoll(line + 15);
            else if (length > 11 && !strncasecmp(line, "connection:", 11)) {
                facts.close = valueHas(line + 11, length - 11, "close");
                facts.keepAlive = valueHas(line + 11, length - 11, "keep-alive");
            }
            break;
        case 't':
            if (length > 18 && !strncasecmp(line, "transfer-encoding:", 18))
                facts.chunked = valueHas(line + 18, length - 18, "chunked");
            break;
        case 'e':
            if (length > 7 && !strncasecmp(line, "expect:", 7)) facts.expectContinue = true;
            break;
        }
        if (probe && length == probeLength && !strncasecmp(line, probe, length)) facts.probe = true;
        line = stop + 2;
    }
    return facts;
}

/* Chunked framing, one byte of state machine at a time outside the data, whole runs inside it. */
struct Chunks {
    enum { chunkSize, chunkExtension, chunkData, chunkDataEnd, chunkTrailer, chunkDone, chunkBad } state;
    uint64_t left;
    unsigned lineBytes;
};

/* Takes bytes from *at; returns how many body bytes stand at *data (0: none in this piece). */
static inline size_t chunksTake(struct Chunks *chunks, const char **at, const char *end, const char **data) {
    while (*at < end && chunks->state < chunkDone) {
        char c = **at;
        switch (chunks->state) {
        case chunkSize:
            if (c == '\n') {
                chunks->state = chunks->left ? chunkData : chunkTrailer;
                chunks->lineBytes = 0;
            } else if (c == ';') chunks->state = chunkExtension;
            else if (c != '\r') {
                int digit = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
                if (digit < 0 || chunks->left >> 40) { chunks->state = chunkBad; return 0; }
                chunks->left = chunks->left * 16 + (uint64_t)digit;
            }
            ++*at;
            break;
        case chunkExtension:
            if (c == '\n') chunks->state = chunks->left ? chunkData : chunkTrailer, chunks->lineBytes = 0;
            ++*at;
            break;
        case chunkData: {
            size_t n = (size_t)(end - *at);
            if (n > chunks->left) n = (size_t)chunks->left;
            *data = *at;
            *at += n;
            chunks->left -= n;
            if (!chunks->left) chunks->state = chunkDataEnd;
            return n;
        }
        case chunkDataEnd:
            if (c == '\n') chunks->state = chunkSize;
            else if (c != '\r') { chunks->state = chunkBad; return 0; }
            ++*at;
            break;
        case chunkTrailer:
            if (c == '\n') {
                if (!chunks->lineBytes) chunks->state = chunkDone;
                chunks->lineBytes = 0;
            } else if (c != '\r') chunks->lineBytes++;
            ++*at;
            break;
        case chunkDone: case chunkBad: break;
        }
    }
    return 0;
}

#endif
