/* The load generator: one thread, one ring, up to 10,000 connections.
 *
 *     load --port P --conns C [--mode http|echo|bulk|idle] [--rate R] [--seconds S] [--requests N]
 *          [--warmup S] [--close] [--path PATH] [--header "name: value"]... [--upload N]
 *          [--expect small|BYTES] [--require "name: value"] [--bulk BYTES]
 *
 * It makes connections and warms up, lets everything in flight end, prints a line `ready`, waits for
 * a line on stdin (now the script reads the proxy's CPU clock), runs, lets everything in flight end
 * again and prints one line of JSON. So the CPU between the two readings belongs to the requests
 * that were counted, all of them and no other.
 *
 * Closed loop (no --rate): each connection sends its next request when the last is answered.
 * Open loop: request k is due at start + k / R whatever the proxy does; its latency counts from then,
 * also while it waits for a free connection.
 *
 * A request counts when its status is 200 and every byte of the body is the expected one. What fails
 * is counted by its sort and its connection replaced. */
#include "http.h"
#include "histogram.h"

enum { bufferBytes = 65536, buffers = 256, connsMax = 10000, echoBytes = 100, stallSeconds = 10, openingMax = 32 };
enum Op { opConnect, opReceive, opSend, opTick, opClose };
enum Mode { modeHTTP, modeEcho, modeBulk, modeIdle };
enum State { stateClosed, stateConnecting, stateIdle, stateHead, stateBody, stateAnswered, stateEnding };
enum Sort { errConnect, errReset, errEarlyEnd, errHead, errStatus, errMissingHeader, errBody, errExtraBytes, errStalled, sorts };
static const char *sortNames[sorts] = {"connect", "reset", "early_end", "head", "status", "missing_header", "body", "extra_bytes", "stalled"};

struct Conn {
    enum State state;
    int fd;
    unsigned inFlight;
    bool receiving, chunked, closeSeen, served;
    char *partial;
    size_t partialBytes;
    uint64_t since, bodyAt, bodyBytes;
    struct Chunks chunks;
    uint64_t serial;
    char message[echoBytes];
    bool listed;             /* stands in the list of those that can take a request */
    struct Conn *next;
};

static struct io_uring ring;
static struct Pool pool;
static struct sockaddr_in target;
static struct Conn *conns;
static struct Conn *freeFirst, *freeLast;
static enum Mode mode = modeHTTP;
static unsigned connCount = 1, opening, openCount;
static double rate, seconds = 5, warmup = 1;
static uint64_t requestsMax = UINT64_MAX, uploadBytes, bulkBytes = 1 << 20;
static bool closeEach;
static const char *require;

static char *request;        /* head and body of every request, in one piece */
static size_t requestBytes;
static char *bulkWrite;
static const char *expected; /* the body that a right answer has */
static size_t expectedBytes;
static char *pattern, replyText[128], bulkReplyText[bulkReplyBytes + 1];

/* One phase: warm-up or the measured run. */
static bool issuing, measuring;
static uint64_t issued, completedCount, verifiedBytes, phaseStart, phaseEnd, turnNow, lastProgress, busy;
static uint64_t errorCounts[sorts], reconnects;
static int firstBadStatus;
static struct Histogram histogram;
static struct __kernel_timespec tickTime = {.tv_nsec = 100000000};

static uint64_t tag(struct Conn *conn, enum Op op) { return (uint64_t)(conn - conns + 1) << 3 | op; }

/* ---- connections ---- */

static void closeConn(struct Conn *conn) {
    prepClose(sqeNext(&ring), conn->fd, opClose);
    if (conn->served) openCount--;
    conn->fd = -1;
    conn->state = stateClosed;
    conn->partialBytes = 0;
    conn->served = false;
}

/* The connection goes; what is in flight on it comes back with an error and is ignored. */
static void endConn(struct Conn *conn) {
    if (conn->state == stateEnding) return;
    if (conn->state == stateConnecting) opening--;
    conn->state = stateEnding;
    if (conn->inFlight) shutdown(conn->fd, SHUT_RDWR);
}

static void failConn(struct Conn *conn, enum Sort sort) {
    if (conn->state == stateEnding) return;
    errorCounts[sort]++;
    if (conn->state != stateIdle && conn->state != stateAnswered) busy--;
    endConn(conn);
}

static void receiveArm(struct Conn *conn) {
    prepReceive(sqeNext(&ring), conn->fd, tag(conn, opReceive));
    conn->receiving = true;
    conn->inFlight++;
}

static void sendBytes(struct Conn *conn, const void *bytes, size_t n) {
    prepSend(sqeNext(&ring), conn->fd, bytes, n, tag(conn, opSend));
    conn->inFlight++;
}

static void connectConn(struct Conn *conn) {
    conn->fd = socketMake();
    if (conn->fd < 0) die("socket: %s", strerror(errno));
    struct io_uring_sqe *sqe = sqeNext(&ring);
    io_uring_prep_connect(sqe, conn->fd, (struct sockaddr *)&target, sizeof target);
    sqe->user_data = tag(conn, opConnect);
    conn->inFlight++;
    conn->state = stateConnecting;
    opening++;
}

/* First in, first out: an open loop goes round all connections. A listed connection that the peer
 * closes stays listed; `take` passes over it until it is closed on our side too. */
static void offer(struct Conn *conn) {
    if (conn->listed) return;
    conn->listed = true;
    conn->next = NULL;
    if (freeFirst) freeLast->next = conn;
    else freeFirst = conn;
    freeLast = conn;
}

static struct Conn *take(void) {
    while (freeFirst) {
        struct Conn *conn = freeFirst;
        freeFirst = conn->next;
        conn->listed = false;
        if (conn->state == stateIdle || conn->state == stateClosed) return conn;
    }
    return NULL;
}

/* ---- requests ---- */

static void startRequest(struct Conn *conn, uint64_t since) {
    conn->since = since;
    conn->bodyAt = 0;
    conn->chunked = false;
    conn->state = stateHead;
    switch (mode) {
    case modeHTTP: case modeIdle:
        sendBytes(conn, request, requestBytes);
        break;
    case modeEcho: /* a serial number in front: bytes of an earlier round do not pass for this one's */
        conn->serial++;
        memcpy(conn->message, &conn->serial, sizeof conn->serial);
        conn->state = stateBody;
        conn->bodyBytes = echoBytes;
        sendBytes(conn, conn->message, echoBytes);
        break;
    case modeBulk: /* the two directions in turn */
        conn->state = stateBody;
        if (conn->serial++ & 1) {
            conn->bodyBytes = bulkReplyBytes;
            sendBytes(conn, bulkWrite, bulkOrderBytes + bulkBytes);
        } else {
            int n = snprintf(conn->message, sizeof conn->message, "R%015llu", (unsigned long long)bulkBytes);
            conn->bodyBytes = bulkBytes;
            sendBytes(conn, conn->message, (size_t)n);
        }
        break;
    }
}

static const char *expectedOf(const struct Conn *conn) {
    if (mode == modeEcho) return conn->message;
    if (mode == modeBulk) return conn->serial & 1 ? pattern : bulkReplyText;
    return expected;
}

static bool mayIssue(void) { return issuing && issued < requestsMax; }

/* The answer is whole and right. */
static void finishRequest(struct Conn *conn) {
    busy--;
    completedCount++;
    lastProgress = turnNow;
    verifiedBytes += mode == modeBulk ? bulkBytes : mode == modeEcho ? echoBytes : conn->bodyBytes + uploadBytes;
    if (measuring) histogramAdd(&histogram, turnNow - conn->since);
    if (!conn->served) conn->served = true, openCount++;
    if (closeEach || conn->closeSeen) {
        /* Wait for the proxy's end of the connection: it closes first, as servers do with
         * `Connection: close`, and the client's ports do not pile up in TIME_WAIT. */
        conn->state = stateAnswered;
        return;
    }
    if (!rate && mode != modeIdle && mayIssue()) {
        issued++;
        busy++;
        return startRequest(conn, turnNow);
    }
    conn->state = stateIdle;
    if (mode != modeIdle) offer(conn);
}

static bool bodyIs(struct Conn *conn, const char *bytes, size_t n) {
    if (n > conn->bodyBytes - conn->bodyAt || memcmp(expectedOf(conn) + conn->bodyAt, bytes, n)) {
        failConn(conn, errBody);
        return false;
    }
    conn->bodyAt += n;
    return true;
}

static void bodyReceived(struct Conn *conn, const char *at, const char *end) {
    if (!conn->chunked) {
        if ((size_t)(end - at) > conn->bodyBytes - conn->bodyAt) return failConn(conn, errExtraBytes);
        if (bodyIs(conn, at, (size_t)(end - at)) && conn->bodyAt == conn->bodyBytes) finishRequest(conn);
        return;
    }
    while (at < end && conn->chunks.state < chunkDone) {
        const char *data = NULL;
        size_t n = chunksTake(&conn->chunks, &at, end, &data);
        if (n && !bodyIs(conn, data, n)) return;
    }
    if (conn->chunks.state == chunkBad) failConn(conn, errBody);
    else if (conn->chunks.state == chunkDone) {
        if (at != end) failConn(conn, errExtraBytes);
        else if (conn->bodyAt != conn->bodyBytes) failConn(conn, errBody);
        else finishRequest(conn);
    }
}

static bool headReceived(struct Conn *conn, const char *head, size_t n) {
    if (n < 16 || memcmp(head, "HTTP/1.1 ", 9)) { failConn(conn, errHead); return false; }
    int status = atoi(head + 9);
    if (status != 200) {
        if (!firstBadStatus) firstBadStatus = status;
        failConn(conn, errStatus);
        return false;
    }
    struct HeadFacts facts = headFacts(head, n, require);
    if (require && !facts.probe) { failConn(conn, errMissingHeader); return false; }
    if (!facts.chunked && facts.length != (int64_t)expectedBytes) { failConn(conn, errBody); return false; }
    conn->chunked = facts.chunked;
    conn->chunks = (struct Chunks){0};
    conn->closeSeen = facts.close;
    conn->bodyBytes = expectedBytes;
    conn->state = stateBody;
    return true;
}

static void bytesReceived(struct Conn *conn, const char *at, const char *end) {
    if (conn->state == stateHead) {
        /* As a rule the head is whole in one piece and nothing is copied. */
        const char *head = at;
        size_t before = conn->partialBytes, all = before + (size_t)(end - at);
        if (before) {
            if (all > headBytesMax) return failConn(conn, errHead);
            memcpy(conn->partial + before, at, (size_t)(end - at));
            head = conn->partial;
        }
        size_t n = headLength(head, all);
        if (!n) {
            if (!conn->partial && !(conn->partial = malloc(headBytesMax))) die("no memory");
            if (all > headBytesMax) return failConn(conn, errHead);
            if (!before) memcpy(conn->partial, at, all);
            conn->partialBytes = all;
            return;
        }
        conn->partialBytes = 0;
        if (!headReceived(conn, head, n)) return;
        at += n - before;
        if (at == end && expectedBytes) return;
    }
    if (conn->state != stateBody) return failConn(conn, errExtraBytes);
    bodyReceived(conn, at, end);
}

/* ---- completions ---- */

static void connected(struct Conn *conn, int result) {
    if (conn->state != stateConnecting) return;
    if (result < 0) return failConn(conn, errConnect);
    opening--;
    receiveArm(conn);
    startRequest(conn, conn->since);
}

static void received(struct Conn *conn, const struct io_uring_cqe *cqe) {
    if (!(cqe->flags & IORING_CQE_F_MORE)) conn->receiving = false;
    if (cqe->res > 0) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        const char *bytes = poolBuffer(&pool, id);
        if (conn->state == stateIdle || conn->state == stateAnswered) failConn(conn, errExtraBytes);
        else if (conn->state != stateEnding) bytesReceived(conn, bytes, bytes + cqe->res);
        pool.free--;
        poolGive(&pool, id);
    } else if (cqe->res != -ENOBUFS) {
        if (conn->state == stateIdle) reconnects++, endConn(conn); /* a keep-alive connection may be closed between requests */
        else if (conn->state == stateAnswered) endConn(conn);
        else failConn(conn, cqe->res == 0 ? errEarlyEnd : errReset);
    }
    if (!conn->receiving && conn->state != stateEnding) receiveArm(conn);
}

static void tickArm(void) {
    struct io_uring_sqe *sqe = sqeNext(&ring);
    io_uring_prep_timeout(sqe, &tickTime, 0, 0);
    sqe->user_data = opTick;
}

static void completed(const struct io_uring_cqe *cqe) {
    uint64_t index = cqe->user_data >> 3;
    enum Op op = cqe->user_data & 7;
    if (!index) {
        if (op == opTick) tickArm();
        return;
    }
    struct Conn *conn = &conns[index - 1];
    if (!(cqe->flags & IORING_CQE_F_MORE)) conn->inFlight--;
    if (op == opConnect) connected(conn, cqe->res);
    else if (op == opReceive) received(conn, cqe);
    else if (cqe->res < 0 && conn->state != stateEnding && conn->state != stateAnswered) failConn(conn, errReset);
    if (conn->state == stateEnding && !conn->inFlight) {
        closeConn(conn);
        if (mode != modeIdle) offer(conn); /* its next request connects */
    }
}

/* ---- phases ---- */

static void issue(struct Conn *conn, uint64_t since) {
    issued++;
    busy++;
    conn->closeSeen = false;
    if (conn->state == stateIdle) return startRequest(conn, since);
    conn->since = since;
    connectConn(conn);
}

/* Requests that are due by now, as far as connections are free. Returns when the next one is due;
 * 0: whatever is due waits for a completion. */
static uint64_t issueDue(void) {
    struct Conn *conn;
    if (!rate) {
        while (mayIssue() && opening < openingMax && (conn = take())) issue(conn, turnNow);
        return 0;
    }
    while (mayIssue()) {
        uint64_t due = phaseStart + (uint64_t)((double)issued / rate * 1e9);
        if (due >= phaseEnd) {
            issuing = false;
            return 0;
        }
        if (due > turnNow) return due;
        if (!(conn = take())) return 0;
        issue(conn, due);
    }
    return 0;
}

static void turn(uint64_t wakeAt) {
    int result;
    if (wakeAt) {
        uint64_t now = nowNs(), wait = wakeAt > now ? wakeAt - now : 0;
        struct __kernel_timespec time = {.tv_sec = (int64_t)(wait / 1000000000), .tv_nsec = (long long)(wait % 1000000000)};
        struct io_uring_cqe *first;
        result = io_uring_submit_and_wait_timeout(&ring, &first, 1, &time, NULL);
    } else {
        result = io_uring_submit_and_wait(&ring, 1);
    }
    if (result < 0 && result != -EINTR && result != -ETIME) die("io_uring_enter: %s", strerror(-result));
    turnNow = nowNs();
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;
    io_uring_for_each_cqe(&ring, head, cqe) {
        completed(cqe);
        n++;
    }
    io_uring_cq_advance(&ring, n);
    poolPublish(&pool);
}

static bool quiet(void) {
    if (busy) return false;
    for (unsigned i = 0; i < connCount; i++)
        if (conns[i].state > stateIdle || conns[i].state == stateConnecting) return false;
    return true;
}

static void failStalled(void) {
    for (unsigned i = 0; i < connCount; i++)
        if (conns[i].state != stateClosed && conns[i].state != stateIdle) failConn(&conns[i], errStalled);
}

static void runPhase(double duration) {
    issued = completedCount = verifiedBytes = 0;
    phaseStart = turnNow = lastProgress = nowNs();
    phaseEnd = phaseStart + (uint64_t)(duration * 1e9);
    issuing = true;
    /* An open loop that fell behind may finish what was due, for as long again as the phase. */
    uint64_t limit = phaseEnd + (uint64_t)(duration * 1e9) + 1000000000ull;
    for (;;) {
        uint64_t wakeAt = issueDue();
        if (!issuing && quiet()) return;
        turn(wakeAt);
        if ((!rate && turnNow >= phaseEnd) || turnNow >= limit) issuing = false;
        if (issued >= requestsMax) issuing = false;
        if (!busy && issuing) lastProgress = turnNow;
        if (turnNow - lastProgress > stallSeconds * 1000000000ull) {
            failStalled();
            return;
        }
        uint64_t failed = 0;
        for (int sort = 0; sort < sorts; sort++) failed += errorCounts[sort];
        if (failed > 100000) return; /* nothing to learn from a million failures */
    }
}

/* ---- idle connections ---- */

static void openIdle(void) {
    unsigned next = 0;
    turnNow = lastProgress = nowNs();
    while (openCount < connCount) {
        /* Few requests at a time, or the upstream side grows as large as the downstream one. */
        while (next < connCount && busy < openingMax) issue(&conns[next++], turnNow);
        if (!busy) break;
        turn(0);
        if (turnNow - lastProgress > stallSeconds * 1000000000ull) {
            failStalled();
            break;
        }
    }
}

/* ---- start and report ---- */

static void waitForScript(void) {
    char line[64];
    puts("ready");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) exit(1);
}

static void report(double elapsed) {
    printf("{\"requests\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"issued\":%llu,\"open\":%u,\"reconnects\":%llu,\"first_bad_status\":%d",
           (unsigned long long)completedCount, (unsigned long long)verifiedBytes, elapsed,
           (unsigned long long)issued, openCount, (unsigned long long)reconnects, firstBadStatus);
    printf(",\"errors\":{");
    bool any = false;
    for (int sort = 0; sort < sorts; sort++) {
        if (!errorCounts[sort]) continue;
        printf("%s\"%s\":%llu", any ? "," : "", sortNames[sort], (unsigned long long)errorCounts[sort]);
        any = true;
    }
    printf("},\"latency_us\":{\"mean\":%.3f", histogram.total ? histogram.sum / (double)histogram.total / 1e3 : 0);
    static const struct { const char *name; double at; } quantiles[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}};
    for (int i = 0; i < 4; i++)
        printf(",\"%s\":%.3f", quantiles[i].name, histogram.total ? (double)histogramAt(&histogram, quantiles[i].at) / 1e3 : 0);
    printf(",\"max\":%.3f}}\n", (double)histogram.max / 1e3);
    fflush(stdout);
}

static void requestMake(const char *path, const char *fields) {
    size_t size = strlen(path) + strlen(fields) + 256 + uploadBytes;
    if (!(request = malloc(size))) die("no memory for the request");
    char length[64] = "";
    if (uploadBytes) snprintf(length, sizeof length, "Content-Length: %llu\r\n", (unsigned long long)uploadBytes);
    /* Without fields of the caller's: those that a plain client sends. */
    if (!fields[0]) fields = "User-Agent: perf-load/1\r\nAccept: */*\r\n";
    int n = snprintf(request, size, "%s %s HTTP/1.1\r\nHost: perf.test\r\n%s%s%s\r\n", uploadBytes ? "POST" : "GET",
                     path, fields, length, closeEach ? "Connection: close\r\n" : "");
    memcpy(request + n, pattern, uploadBytes);
    requestBytes = (size_t)n + uploadBytes;
}

static void expectedMake(const char *expect) {
    if (uploadBytes) {
        expected = replyText;
        expectedBytes = (size_t)uploadReply(replyText, sizeof replyText, uploadBytes, ~crc32c(~0u, pattern, uploadBytes));
    } else if (!strcmp(expect, "small")) {
        expected = smallBody;
        expectedBytes = sizeof smallBody - 1;
    } else {
        expected = pattern;
        expectedBytes = strtoull(expect, NULL, 10);
    }
    if (mode != modeBulk) return;
    bulkReply(bulkReplyText, bulkBytes, ~crc32c(~0u, pattern, bulkBytes));
    if (!(bulkWrite = malloc(bulkOrderBytes + bulkBytes + 1))) die("no memory");
    snprintf(bulkWrite, bulkOrderBytes + 1, "W%015llu", (unsigned long long)bulkBytes);
    memcpy(bulkWrite + bulkOrderBytes, pattern, bulkBytes);
}

int main(int argc, char **argv) {
    const char *path = "/", *expect = "small";
    unsigned port = 0;
    static char fields[8192];
    size_t fieldBytes = 0;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--close")) { closeEach = true; continue; }
        if (i + 1 == argc) die("%s needs a value", name);
        const char *value = argv[++i];
        if (!strcmp(name, "--port")) port = (unsigned)atoi(value);
        else if (!strcmp(name, "--conns")) connCount = (unsigned)atoi(value);
        else if (!strcmp(name, "--rate")) rate = atof(value);
        else if (!strcmp(name, "--seconds")) seconds = atof(value);
        else if (!strcmp(name, "--warmup")) warmup = atof(value);
        else if (!strcmp(name, "--requests")) requestsMax = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--path")) path = value;
        else if (!strcmp(name, "--header")) fieldBytes += (size_t)snprintf(fields + fieldBytes, sizeof fields - fieldBytes, "%s\r\n", value);
        else if (!strcmp(name, "--upload")) uploadBytes = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--expect")) expect = value;
        else if (!strcmp(name, "--require")) require = value;
        else if (!strcmp(name, "--bulk")) bulkBytes = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--mode")) {
            if (!strcmp(value, "http")) mode = modeHTTP;
            else if (!strcmp(value, "echo")) mode = modeEcho;
            else if (!strcmp(value, "bulk")) mode = modeBulk;
            else if (!strcmp(value, "idle")) mode = modeIdle;
            else die("unknown mode %s", value);
        } else die("unknown option %s", name);
        if (fieldBytes >= sizeof fields) die("more than %zu bytes of headers", sizeof fields);
    }
    if (!port || !connCount || connCount > connsMax) die("--port and --conns 1..%d are needed", connsMax);
    if (bulkBytes > patternBytesMax || uploadBytes > patternBytesMax || strtoull(expect, NULL, 10) > patternBytesMax)
        die("bodies have at most %d bytes", patternBytesMax);
    processSetup();
    prctl(PR_SET_TIMERSLACK, 1); /* or an open loop is 50 µs late each time */
    size_t patternBytes = bulkBytes > uploadBytes ? bulkBytes : uploadBytes;
    if (patternBytes < echoBytes) patternBytes = echoBytes;
    if (strtoull(expect, NULL, 10) > patternBytes) patternBytes = strtoull(expect, NULL, 10);
    pattern = patternMake(patternBytes);
    requestMake(path, fields);
    expectedMake(expect);
    target = loopback(port);
    if (!(conns = calloc(connCount, sizeof *conns))) die("no memory");
    for (unsigned i = 0; i < connCount; i++) {
        conns[i].fd = -1;
        memcpy(conns[i].message, pattern, echoBytes);
        if (mode != modeIdle) offer(&conns[i]);
    }
    ringMake(&ring, 2048);
    poolMake(&pool, &ring, buffers, bufferBytes);
    tickArm();

    double elapsed = 0;
    if (mode == modeIdle) {
        openIdle();
        waitForScript();
        turn(0); /* what the proxy closed meanwhile */
    } else {
        uint64_t wanted = requestsMax;
        requestsMax = UINT64_MAX;
        runPhase(warmup);
        requestsMax = wanted;
        waitForScript();
        measuring = true;
        runPhase(seconds);
        elapsed = (double)(lastProgress - phaseStart) / 1e9;
    }
    report(elapsed);
    return 0;
}
