/* The backend of the HTTP/2 scenarios: one thread, epoll, nghttp2, cleartext with prior knowledge.
 *
 *     h2backend PORT
 *
 * GET: 200 and the small body. POST: a gRPC call that is answered with its own bytes as they come, and
 * with grpc-status 0 behind their end (13 where the path is /fail); so it serves single messages and
 * streams of them alike. What an access log service is sent is swallowed. */
#include "common.h"
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>

enum { inBytes = 65536, outMax = 65536, echoMax = 65536 };

struct Stream {
    bool isCall, ended, fails, swallows;
    size_t at, count;        /* of `echo`, what is still to be sent */
    uint8_t *echo;
};

struct Conn {
    int fd;
    bool wantsWrite;
    nghttp2_session *h2;
    uint8_t out[outMax];
    size_t outCount, outSent;
};

static int poll;
static nghttp2_session_callbacks *callbacks;
#define TEXT(n, v) {(uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, sizeof(v) - 1, NGHTTP2_NV_FLAG_NONE}

static void closeConn(struct Conn *conn) {
    nghttp2_session_del(conn->h2);
    close(conn->fd);
    free(conn);
}

static ssize_t readBody(nghttp2_session *h2, int32_t id, uint8_t *into, size_t room, uint32_t *flags, nghttp2_data_source *source, void *user) {
    (void)user;
    struct Stream *stream = source->ptr;
    if (!stream->isCall) {
        memcpy(into, smallBody, sizeof smallBody - 1);
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return sizeof smallBody - 1;
    }
    size_t n = stream->count - stream->at < room ? stream->count - stream->at : room;
    memcpy(into, stream->echo + stream->at, n);
    stream->at += n;
    if (stream->at == stream->count) stream->at = stream->count = 0;
    if (stream->ended && !stream->count) {
        const nghttp2_nv trailers[] = {stream->fails ? (nghttp2_nv)TEXT("grpc-status", "13") : (nghttp2_nv)TEXT("grpc-status", "0")};
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(h2, id, trailers, 1)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    } else if (!n) {
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

static int onBegin(nghttp2_session *h2, const nghttp2_frame *frame, void *user) {
    (void)user;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct Stream *stream = calloc(1, sizeof *stream);
    if (!stream) die("no memory");
    nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, stream);
    return 0;
}

static int onHeader(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t nameBytes,
                    const uint8_t *value, size_t valueBytes, uint8_t flags, void *user) {
    (void)flags, (void)user;
    struct Stream *stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    if (stream && nameBytes == 7 && !memcmp(name, ":method", 7)) stream->isCall = valueBytes == 4 && !memcmp(value, "POST", 4);
    if (stream && nameBytes == 5 && !memcmp(name, ":path", 5)) {
        static const char logs[] = "/envoy.service.accesslog.";
        stream->fails = valueBytes == 5 && !memcmp(value, "/fail", 5);
        stream->swallows = valueBytes >= sizeof logs - 1 && !memcmp(value, logs, sizeof logs - 1);
    }
    return 0;
}

static void answer(nghttp2_session *h2, int32_t id, struct Stream *stream) {
    static const nghttp2_nv page[] = {TEXT(":status", "200"), TEXT("content-type", "text/plain"), TEXT("content-length", "100")};
    static const nghttp2_nv call[] = {TEXT(":status", "200"), TEXT("content-type", "application/grpc")};
    _Static_assert(sizeof smallBody - 1 == 100, "content-length");
    const nghttp2_data_provider provider = {{.ptr = stream}, readBody};
    if (stream->isCall) nghttp2_submit_response(h2, id, call, 2, &provider);
    else nghttp2_submit_response(h2, id, page, 3, &provider);
}

static int onFrame(nghttp2_session *h2, const nghttp2_frame *frame, void *user) {
    (void)user;
    struct Stream *stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    if (!stream) return 0;
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA);
    if (ends) stream->ended = true;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) answer(h2, frame->hd.stream_id, stream);
    else if (ends) nghttp2_session_resume_data(h2, frame->hd.stream_id);
    return 0;
}

static int onData(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *user) {
    (void)flags, (void)user;
    struct Stream *stream = nghttp2_session_get_stream_user_data(h2, id);
    if (!stream || !stream->isCall || stream->swallows) return 0;
    if (!stream->echo && !(stream->echo = malloc(echoMax))) die("no memory");
    if (n > echoMax - stream->count) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    memcpy(stream->echo + stream->count, bytes, n);
    stream->count += n;
    nghttp2_session_resume_data(h2, id);
    return 0;
}

static int onClose(nghttp2_session *h2, int32_t id, uint32_t code, void *user) {
    (void)code, (void)user;
    struct Stream *stream = nghttp2_session_get_stream_user_data(h2, id);
    if (stream) free(stream->echo);
    free(stream);
    return 0;
}

static void watch(struct Conn *conn, bool write) {
    if (conn->wantsWrite == write) return;
    conn->wantsWrite = write;
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = conn};
    epoll_ctl(poll, EPOLL_CTL_MOD, conn->fd, &event);
}

/* False: the connection is gone. */
static bool pumpOut(struct Conn *conn) {
    for (;;) {
        while (conn->outSent < conn->outCount) {
            ssize_t n = send(conn->fd, conn->out + conn->outSent, conn->outCount - conn->outSent, MSG_NOSIGNAL);
            if (n < 0 && errno == EAGAIN) return watch(conn, true), true;
            if (n <= 0) return closeConn(conn), false;
            conn->outSent += (size_t)n;
        }
        conn->outCount = conn->outSent = 0;
        while (conn->outCount <= outMax - 17000) {
            const uint8_t *bytes;
            ssize_t n = nghttp2_session_mem_send(conn->h2, &bytes);
            if (n < 0) return closeConn(conn), false;
            if (!n) break;
            memcpy(conn->out + conn->outCount, bytes, (size_t)n);
            conn->outCount += (size_t)n;
        }
        if (!conn->outCount) return watch(conn, false), true;
    }
}

static void happened(struct Conn *conn, unsigned events) {
    static uint8_t in[inBytes];
    if (events & EPOLLOUT && !pumpOut(conn)) return;
    if (!(events & (EPOLLIN | EPOLLERR | EPOLLHUP))) return;
    for (;;) {
        ssize_t n = read(conn->fd, in, sizeof in);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0 || nghttp2_session_mem_recv(conn->h2, in, (size_t)n) < 0) return closeConn(conn);
        if (n < (ssize_t)sizeof in) break;
    }
    pumpOut(conn);
}

static void accepted(int fd) {
    struct Conn *conn = calloc(1, sizeof *conn);
    if (!conn) die("no memory");
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    conn->fd = fd;
    if (nghttp2_session_server_new(&conn->h2, callbacks, conn)) die("nghttp2_session_server_new");
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24}};
    nghttp2_submit_settings(conn->h2, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(conn->h2, NGHTTP2_FLAG_NONE, 0, 1 << 26);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    pumpOut(conn);
}

int main(int argc, char **argv) {
    if (argc < 2) die("h2backend PORT");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) die("port %s: %s", argv[1], strerror(errno));
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, onBegin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onClose);
    poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) {
                happened(events[i].data.ptr, events[i].events);
                continue;
            }
            for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) accepted(fd);
        }
    }
}
