/* The load generator for TLS and HTTP/2: one thread, epoll, OpenSSL, nghttp2.
 *
 *     secure --port P --conns C [--tls] [--http2] [--streams N] [--close] [--resume]
 *            [--grpc unary|stream] [--mode http|idle] [--seconds S] [--warmup S] [--path PATH]
 *            [--expect small|BYTES]
 *
 * Talks to the script as `load` does: warms up, `ready`, waits for a line, runs, one line of JSON.
 * Closed loop: each connection (HTTP/2: each stream) sends its next request when the last is answered.
 * --close: one request per connection, so every request is a handshake; --resume offers the newest
 * session of the connection before it. Everything that a handshake's price depends on is fixed here:
 * TLS 1.3, X25519, TLS_AES_128_GCM_SHA256. A request counts when its status is 200 and every byte of
 * the body is the expected one.
 * --grpc: calls of a server that echoes messages of 100 bytes. `unary`: a call per message; `stream`:
 * a call per stream, whose next message goes when the last is back, and each message counts. A call
 * counts as good when it ends with grpc-status 0. */
#include "common.h"
#include "histogram.h"
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

enum { connsMax = 10000, streamsMax = 256, inBytes = 65536, outMax = 65536, stallSeconds = 10 };
enum State { stateClosed, stateConnecting, stateHandshake, stateOpen };
enum Sort { errConnect, errHandshake, errReset, errHead, errStatus, errBody, errGRPC, errNotResumed, errStalled, sorts };
static const char *sortNames[sorts] = {"connect", "handshake", "reset", "head", "status", "body", "grpc_status", "not_resumed", "stalled"};

struct Stream {
    uint64_t since;
    uint64_t got;
    int status;
    int32_t id;
    uint64_t asked;          /* gRPC: bytes of messages that may be sent by now; `put`: that have been */
    uint64_t put;
    bool ends;               /* gRPC: no further message */
    bool wrong, isGood;
};

struct Conn {
    enum State state;
    int fd;
    SSL *ssl;
    SSL_SESSION *session;    /* of the connection before, where sessions are resumed */
    nghttp2_session *h2;
    struct Stream streams[streamsMax];
    unsigned active;         /* requests under way */
    bool wantsWrite, served, isReused;
    char *in;                /* HTTP/1: the response as far as it came */
    size_t inCount;
    size_t outAt;            /* HTTP/1: how much of the request has been written */
    bool isWriting;
    char out[outMax];        /* HTTP/2: what nghttp2 wants written */
    size_t outCount, outSent;
    uint64_t lastNs;
};

static int poll;
static SSL_CTX *context;
static struct sockaddr_in target;
static struct Conn *conns;
static unsigned connCount = 1, streamCount = 1, port;
static bool useTLS, useHTTP2, closeEach, resume, idleMode, grpc, grpcStream;
/* A gRPC message: five bytes of prefix, a hundred of payload; as a request and as its answer. */
enum { messageBytes = 105 };
static char message[messageBytes];
static double seconds = 5, warmup = 1;
static const char *path = "/", *expected = smallBody;
static size_t expectedBytes = sizeof smallBody - 1;
static char request[512];
static size_t requestBytes;

static bool issuing;
static uint64_t completed, bytesRead, resumed, handshakes, reconnects, errorCounts[sorts], lastProgress;
static int firstBadStatus;
static unsigned openCount, busy;
static struct Histogram histogram;

static void pumpOut(struct Conn *conn);
static void issue(struct Conn *conn);

static void watch(struct Conn *conn, bool write) {
    if (conn->wantsWrite == write) return;
    conn->wantsWrite = write;
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = conn};
    epoll_ctl(poll, EPOLL_CTL_MOD, conn->fd, &event);
}

static void closeConn(struct Conn *conn) {
    if (conn->state == stateClosed) return;
    if (conn->ssl) {
        if (conn->state == stateOpen) SSL_shutdown(conn->ssl);
        SSL_free(conn->ssl);
        conn->ssl = NULL;
    }
    if (conn->h2) nghttp2_session_del(conn->h2);
    conn->h2 = NULL;
    close(conn->fd);
    if (conn->served) openCount--;
    busy -= conn->active;
    conn->active = 0;
    conn->served = false;
    conn->state = stateClosed;
}

static void openConn(struct Conn *conn) {
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) die("socket: %s", strerror(errno));
    int one = 1;
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    conn->inCount = conn->outAt = conn->outCount = conn->outSent = 0;
    conn->isWriting = false;
    conn->wantsWrite = true;
    conn->state = stateConnecting;
    conn->lastNs = nowNs();
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = conn};
    if (connect(conn->fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS)
        die("connect: %s", strerror(errno));
    epoll_ctl(poll, EPOLL_CTL_ADD, conn->fd, &event);
}

static void failConn(struct Conn *conn, enum Sort sort) {
    errorCounts[sort]++;
    closeConn(conn);
    if (issuing) reconnects++, openConn(conn);
}

/* ---- answers ---- */

static void answered(struct Conn *conn, uint64_t since) {
    uint64_t now = nowNs();
    completed++;
    bytesRead += expectedBytes;
    histogramAdd(&histogram, now - since);
    lastProgress = now;
    conn->active--;
    busy--;
    if (!conn->served) openCount++;
    conn->served = true;
}

static void badStatus(struct Conn *conn, int status) {
    if (!firstBadStatus) firstBadStatus = status;
    failConn(conn, errStatus);
}

/* ---- bytes in and out, with or without TLS: like read(2) and write(2), -1 with EAGAIN ---- */

static ssize_t readSome(struct Conn *conn, void *into, size_t n) {
    if (!conn->ssl) return read(conn->fd, into, n);
    int got = SSL_read(conn->ssl, into, (int)n);
    if (got > 0) return got;
    int why = SSL_get_error(conn->ssl, got);
    if (why == SSL_ERROR_ZERO_RETURN) return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

static ssize_t writeSome(struct Conn *conn, const void *from, size_t n) {
    if (!conn->ssl) return send(conn->fd, from, n, MSG_NOSIGNAL);
    int put = SSL_write(conn->ssl, from, (int)n);
    if (put > 0) return put;
    int why = SSL_get_error(conn->ssl, put);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

/* ---- HTTP/1 ---- */

static void writeRequest(struct Conn *conn) {
    while (conn->outAt < requestBytes) {
        ssize_t n = writeSome(conn, request + conn->outAt, requestBytes - conn->outAt);
        if (n < 0 && errno == EAGAIN) return watch(conn, true);
        if (n <= 0) return failConn(conn, errReset);
        conn->outAt += (size_t)n;
    }
    conn->isWriting = false;
    watch(conn, false);
}

static void readResponse(struct Conn *conn) {
    for (;;) {
        ssize_t n = readSome(conn, conn->in + conn->inCount, inBytes - conn->inCount);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) return conn->active || conn->inCount ? failConn(conn, errReset) : closeConn(conn);
        conn->inCount += (size_t)n;
        if (!conn->active) return failConn(conn, errBody);
        char *end = memmem(conn->in, conn->inCount, "\r\n\r\n", 4);
        if (!end) continue;
        size_t head = (size_t)(end - conn->in) + 4;
        int status = 0;
        if (sscanf(conn->in, "HTTP/1.1 %d", &status) != 1) return failConn(conn, errHead);
        if (status != 200) return badStatus(conn, status);
        if (conn->inCount - head < expectedBytes) continue;
        if (conn->inCount - head > expectedBytes || memcmp(conn->in + head, expected, expectedBytes)) return failConn(conn, errBody);
        conn->inCount = 0;
        answered(conn, conn->streams[0].since);
        if (closeEach) {
            closeConn(conn);
            if (issuing) openConn(conn);
            return;
        }
        if (issuing) issue(conn);
        if (conn->state != stateOpen) return;
    }
}

/* ---- HTTP/2 ---- */

/* The messages of a call, as far as they may go; the end behind the last. */
static ssize_t readMessages(nghttp2_session *h2, int32_t id, uint8_t *into, size_t room, uint32_t *flags, nghttp2_data_source *source, void *user) {
    (void)h2, (void)id, (void)user;
    struct Stream *stream = source->ptr;
    size_t n = 0;
    while (n < room && stream->put < stream->asked) into[n++] = (uint8_t)message[stream->put++ % messageBytes];
    if (stream->put == stream->asked && stream->ends) *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (!n) return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)n;
}

static void call(struct Conn *conn, struct Stream *stream) {
#define TEXT(n, v) {(uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, sizeof(v) - 1, NGHTTP2_NV_FLAG_NONE}
    const nghttp2_nv fields[] = {
        TEXT(":method", "POST"), useTLS ? (nghttp2_nv)TEXT(":scheme", "https") : (nghttp2_nv)TEXT(":scheme", "http"),
        TEXT(":authority", "perf.test"), {(uint8_t *)":path", (uint8_t *)(uintptr_t)path, 5, strlen(path), NGHTTP2_NV_FLAG_NONE}, TEXT("te", "trailers"),
        TEXT("content-type", "application/grpc"), TEXT("user-agent", "perf-load/1"),
    };
    memset(stream, 0, sizeof *stream);
    stream->since = nowNs();
    stream->asked = messageBytes;
    stream->ends = !grpcStream;
    conn->active++;
    busy++;
    const nghttp2_data_provider provider = {{.ptr = stream}, readMessages};
    stream->id = nghttp2_submit_request(conn->h2, NULL, fields, sizeof fields / sizeof *fields, &provider, stream);
    if (stream->id < 0) die("nghttp2_submit_request");
}

/* Of a stream of messages one more is back. */
static void messageCame(struct Conn *conn, struct Stream *stream) {
    uint64_t now = nowNs();
    completed++;
    bytesRead += messageBytes;
    histogramAdd(&histogram, now - stream->since);
    lastProgress = now;
    stream->since = now;
    if (issuing) stream->asked += messageBytes;
    else stream->ends = true;
    nghttp2_session_resume_data(conn->h2, stream->id);
}

static void submit(struct Conn *conn, struct Stream *stream) {
    if (grpc) return call(conn, stream);
    static const char authority[] = "perf.test";
#define FIELD(n, v, c) {(uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, (c), NGHTTP2_NV_FLAG_NONE}
    const nghttp2_nv fields[] = {
        FIELD(":method", "GET", 3), FIELD(":scheme", useTLS ? "https" : "http", useTLS ? 5u : 4u),
        FIELD(":authority", authority, sizeof authority - 1), FIELD(":path", path, strlen(path)),
        FIELD("user-agent", "perf-load/1", 11), FIELD("accept", "*/*", 3),
    };
    memset(stream, 0, sizeof *stream);
    stream->since = nowNs();
    conn->active++;
    busy++;
    if (nghttp2_submit_request(conn->h2, NULL, fields, sizeof fields / sizeof *fields, NULL, stream) < 0) die("nghttp2_submit_request");
}

static int onHeader(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t nameBytes,
                    const uint8_t *value, size_t valueBytes, uint8_t flags, void *user) {
    (void)flags, (void)user;
    struct Stream *stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    if (stream && nameBytes == 7 && !memcmp(name, ":status", 7)) stream->status = valueBytes == 3 ? atoi((const char *)value) : -1;
    if (stream && nameBytes == 11 && !memcmp(name, "grpc-status", 11)) stream->isGood = valueBytes == 1 && *value == '0';
    return 0;
}

static int onData(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *user) {
    (void)flags;
    struct Stream *stream = nghttp2_session_get_stream_user_data(h2, id);
    if (!stream) return 0;
    if (grpc) {
        for (size_t i = 0; i < n; i++) {
            if ((char)bytes[i] != message[stream->got++ % messageBytes]) stream->wrong = true;
            if (grpcStream && stream->got % messageBytes == 0) messageCame(user, stream);
        }
        if (stream->got > stream->asked) stream->wrong = true;
        return 0;
    }
    if (stream->got + n > expectedBytes || memcmp(bytes, expected + stream->got, n)) stream->wrong = true;
    stream->got += n;
    return 0;
}

static int onClose(nghttp2_session *h2, int32_t id, uint32_t code, void *user) {
    struct Conn *conn = user;
    struct Stream *stream = nghttp2_session_get_stream_user_data(h2, id);
    if (!stream) return 0;
    enum Sort sort = sorts;
    if (code) sort = errReset;
    else if (stream->status != 200) sort = errStatus;
    else if (stream->wrong || stream->got != (grpc ? stream->asked : expectedBytes)) sort = errBody;
    else if (grpc && !stream->isGood) sort = errGRPC;
    if (sort == sorts && grpcStream) {
        /* Its messages have counted one by one. */
        lastProgress = nowNs();
        conn->active--;
        busy--;
    } else if (sort == sorts) {
        answered(conn, stream->since);
    } else {
        if (sort == errStatus && !firstBadStatus) firstBadStatus = stream->status;
        errorCounts[sort]++;
        conn->active--;
        busy--;
    }
    if (issuing && !closeEach) submit(conn, stream);
    return 0;
}

static void startHTTP2(struct Conn *conn) {
    static nghttp2_session_callbacks *callbacks;
    if (!callbacks) {
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onData);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onClose);
    }
    if (nghttp2_session_client_new(&conn->h2, callbacks, conn)) die("nghttp2_session_client_new");
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24}};
    nghttp2_submit_settings(conn->h2, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(conn->h2, NGHTTP2_FLAG_NONE, 0, 1 << 26);
}

static void pumpOut(struct Conn *conn) {
    for (;;) {
        while (conn->outSent < conn->outCount) {
            ssize_t n = writeSome(conn, conn->out + conn->outSent, conn->outCount - conn->outSent);
            if (n < 0 && errno == EAGAIN) return watch(conn, true);
            if (n <= 0) return failConn(conn, errReset);
            conn->outSent += (size_t)n;
        }
        conn->outCount = conn->outSent = 0;
        for (;;) {
            if (conn->outCount > outMax - 17000) break;
            const uint8_t *bytes;
            ssize_t n = nghttp2_session_mem_send(conn->h2, &bytes);
            if (n < 0) die("nghttp2_session_mem_send: %s", nghttp2_strerror((int)n));
            if (!n) break;
            if ((size_t)n > outMax - conn->outCount) die("a frame of %zd bytes", n);
            memcpy(conn->out + conn->outCount, bytes, (size_t)n);
            conn->outCount += (size_t)n;
        }
        if (!conn->outCount) return watch(conn, false);
    }
}

static void readFrames(struct Conn *conn) {
    static char in[inBytes];
    for (;;) {
        ssize_t n = readSome(conn, in, sizeof in);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) return conn->active ? failConn(conn, errReset) : closeConn(conn);
        if (nghttp2_session_mem_recv(conn->h2, (const uint8_t *)in, (size_t)n) < 0) return failConn(conn, errHead);
        if (n < (ssize_t)sizeof in && !conn->ssl) break;
    }
    pumpOut(conn);
    if (conn->state == stateOpen && closeEach && !conn->active) {
        closeConn(conn);
        if (issuing) openConn(conn);
    }
}

/* ---- a connection's beginning ---- */

static void issue(struct Conn *conn) {
    if (useHTTP2) {
        for (unsigned i = conn->active; i < streamCount; i++) submit(conn, &conn->streams[i]);
        pumpOut(conn);
        return;
    }
    conn->outAt = 0;
    conn->isWriting = true;
    if (!closeEach) conn->streams[0].since = nowNs();
    conn->active++;
    busy++;
    writeRequest(conn);
}

static void opened(struct Conn *conn) {
    conn->state = stateOpen;
    watch(conn, false);
    if (useHTTP2) startHTTP2(conn);
    if (issuing || idleMode) issue(conn);
}

static void handshake(struct Conn *conn) {
    int done = SSL_do_handshake(conn->ssl);
    if (done == 1) {
        handshakes++;
        if (SSL_session_reused(conn->ssl)) resumed++;
        else if (conn->isReused) errorCounts[errNotResumed]++;
        return opened(conn);
    }
    int why = SSL_get_error(conn->ssl, done);
    if (why == SSL_ERROR_WANT_READ) return watch(conn, false);
    if (why == SSL_ERROR_WANT_WRITE) return watch(conn, true);
    failConn(conn, errHandshake);
}

static int onSession(SSL *ssl, SSL_SESSION *session) {
    struct Conn *conn = SSL_get_app_data(ssl);
    if (conn->session) SSL_SESSION_free(conn->session);
    conn->session = session;
    return 1;
}

static void connected(struct Conn *conn) {
    int error = 0;
    socklen_t n = sizeof error;
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error) return failConn(conn, errConnect);
    if (closeEach) conn->streams[0].since = conn->lastNs;
    if (!useTLS) return opened(conn);
    conn->ssl = SSL_new(context);
    if (!conn->ssl || !SSL_set_fd(conn->ssl, conn->fd)) die("SSL_new");
    SSL_set_app_data(conn->ssl, conn);
    SSL_set_connect_state(conn->ssl);
    SSL_set_tlsext_host_name(conn->ssl, "perf.test");
    conn->isReused = resume && conn->session;
    if (conn->isReused) SSL_set_session(conn->ssl, conn->session);
    conn->state = stateHandshake;
    handshake(conn);
}

static void happened(struct Conn *conn, unsigned events) {
    switch (conn->state) {
    case stateClosed: return;
    case stateConnecting:
        if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) connected(conn);
        return;
    case stateHandshake: return handshake(conn);
    case stateOpen: break;
    }
    if (useHTTP2) {
        if (events & EPOLLOUT) pumpOut(conn);
        if (conn->state == stateOpen && events & (EPOLLIN | EPOLLERR | EPOLLHUP)) readFrames(conn);
    } else {
        if (events & EPOLLOUT && conn->isWriting) writeRequest(conn);
        if (conn->state == stateOpen && events & (EPOLLIN | EPOLLERR | EPOLLHUP)) readResponse(conn);
    }
}

static void turn(int timeoutMs) {
    struct epoll_event events[256];
    int n = epoll_wait(poll, events, 256, timeoutMs);
    for (int i = 0; i < n; i++) happened(events[i].data.ptr, events[i].events);
}

static void failStalled(void) {
    errorCounts[errStalled] += busy ? busy : 1;
    for (unsigned i = 0; i < connCount; i++) closeConn(&conns[i]);
}

static bool pending(void) {
    if (busy) return true;
    for (unsigned i = 0; i < connCount; i++)
        if (conns[i].state == stateConnecting || conns[i].state == stateHandshake) return true;
    return false;
}

static void runPhase(double duration) {
    completed = bytesRead = resumed = handshakes = 0;
    memset(&histogram, 0, sizeof histogram);
    uint64_t end = nowNs() + (uint64_t)(duration * 1e9);
    lastProgress = nowNs();
    issuing = true;
    for (unsigned i = 0; i < connCount; i++) {
        if (conns[i].state == stateClosed) openConn(&conns[i]);
        else if (conns[i].state == stateOpen) issue(&conns[i]);
    }
    for (;;) {
        uint64_t now = nowNs();
        if (now >= end) issuing = false;
        if (!issuing && !pending()) return;
        turn(20);
        if (nowNs() - lastProgress > stallSeconds * 1000000000ull) return failStalled();
    }
}

static void openIdle(void) {
    unsigned next = 0;
    lastProgress = nowNs();
    while (openCount < connCount) {
        while (next < connCount && next < openCount + 32) openConn(&conns[next++]);
        turn(20);
        if (nowNs() - lastProgress > stallSeconds * 1000000000ull) return failStalled();
    }
}

static void report(double elapsed) {
    printf("{\"requests\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"open\":%u,\"reconnects\":%llu,\"handshakes\":%llu,\"resumed\":%llu,"
           "\"first_bad_status\":%d,\"errors\":{",
           (unsigned long long)completed, (unsigned long long)bytesRead, elapsed, openCount, (unsigned long long)reconnects,
           (unsigned long long)handshakes, (unsigned long long)resumed, firstBadStatus);
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

static void contextMake(void) {
    context = SSL_CTX_new(TLS_client_method());
    if (!context) die("SSL_CTX_new");
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set1_groups_list(context, "X25519");
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL); /* the certificate is made for the run */
    if (useHTTP2) SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2", 3);
    if (!resume) return;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, onSession);
}

int main(int argc, char **argv) {
    const char *expect = "small";
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--tls")) { useTLS = true; continue; }
        if (!strcmp(name, "--http2")) { useHTTP2 = true; continue; }
        if (!strcmp(name, "--close")) { closeEach = true; continue; }
        if (!strcmp(name, "--resume")) { resume = true; continue; }
        if (i + 1 == argc) die("%s needs a value", name);
        const char *value = argv[++i];
        if (!strcmp(name, "--port")) port = (unsigned)atoi(value);
        else if (!strcmp(name, "--conns")) connCount = (unsigned)atoi(value);
        else if (!strcmp(name, "--streams")) streamCount = (unsigned)atoi(value);
        else if (!strcmp(name, "--seconds")) seconds = atof(value);
        else if (!strcmp(name, "--warmup")) warmup = atof(value);
        else if (!strcmp(name, "--path")) path = value;
        else if (!strcmp(name, "--expect")) expect = value;
        else if (!strcmp(name, "--grpc")) grpc = useHTTP2 = true, grpcStream = !strcmp(value, "stream");
        else if (!strcmp(name, "--mode")) idleMode = !strcmp(value, "idle");
        else die("unknown option %s", name);
    }
    if (!port || !connCount || connCount > connsMax || !streamCount || streamCount > streamsMax)
        die("--port, --conns 1..%d and --streams 1..%d are needed", connsMax, streamsMax);
    if (strcmp(expect, "small")) {
        expectedBytes = strtoull(expect, NULL, 10);
        if (expectedBytes > inBytes - 4096) die("bodies have at most %d bytes", inBytes - 4096);
        expected = patternMake(expectedBytes);
    }
    message[4] = messageBytes - 5;
    for (int i = 5; i < messageBytes; i++) message[i] = (char)(i * 31);
    if (grpc) expectedBytes = messageBytes;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    requestBytes = (size_t)snprintf(request, sizeof request,
                                    "GET %s HTTP/1.1\r\nHost: perf.test\r\nUser-Agent: perf-load/1\r\nAccept: */*\r\n%s\r\n", path,
                                    closeEach ? "Connection: close\r\n" : "");
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (useTLS) contextMake();
    poll = epoll_create1(EPOLL_CLOEXEC);
    if (!(conns = calloc(connCount, sizeof *conns))) die("no memory");
    for (unsigned i = 0; i < connCount; i++)
        if (!(conns[i].in = malloc(inBytes))) die("no memory");

    char line[64];
    double elapsed = 0;
    if (idleMode) {
        openIdle();
        puts("ready");
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin)) return 1;
    } else {
        runPhase(warmup);
        puts("ready");
        fflush(stdout);
        if (!fgets(line, sizeof line, stdin)) return 1;
        uint64_t start = nowNs();
        runPhase(seconds);
        elapsed = (double)(nowNs() - start) / 1e9;
    }
    report(elapsed);
    return 0;
}
