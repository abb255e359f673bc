// liburing for Swift: its inline functions and a few of ours, where Swift cannot say it (bit fields, macros, unions) or
// where liburing 2.3's headers are older than the kernel.
#pragma once
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

// Newer than the headers of liburing 2.3; numbers from the kernel's UAPI.
#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE (1U << 4)
#endif
#define MARTLET_FEAT_RECVSEND_BUNDLE (1U << 14)
#define MARTLET_SETUP_NO_SQARRAY (1U << 16)

enum {
  MARTLET_CQE_MORE = IORING_CQE_F_MORE,
  MARTLET_CQE_BUFFER = IORING_CQE_F_BUFFER,
  MARTLET_CQE_SOCK_NONEMPTY = IORING_CQE_F_SOCK_NONEMPTY,
  MARTLET_CQE_BUFFER_SHIFT = IORING_CQE_BUFFER_SHIFT,
};

typedef struct {
  uint64_t user_data;
  int32_t result;
  uint32_t flags;
} martlet_completion;

static inline int martlet_ring_create(struct io_uring *ring, unsigned entries, unsigned cq_entries) {
  struct io_uring_params params;
  memset(&params, 0, sizeof params);
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                 IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL;
  params.cq_entries = cq_entries;
  return io_uring_queue_init_params(entries, ring, &params);
}

static inline unsigned martlet_ring_features(struct io_uring *ring) { return ring->features; }

// Completions wait in the kernel, because there was no place for them.
static inline int martlet_ring_is_full(struct io_uring *ring) { return io_uring_cq_has_overflow(ring); }

// Copies at most `max` completions out and frees their places.
static inline unsigned martlet_ring_take(struct io_uring *ring, martlet_completion *out, unsigned max) {
  unsigned head = *ring->cq.khead;
  unsigned tail = __atomic_load_n(ring->cq.ktail, __ATOMIC_ACQUIRE);
  unsigned mask = *ring->cq.kring_mask;
  unsigned n = tail - head;
  if (n > max) n = max;
  for (unsigned i = 0; i < n; i++) {
    const struct io_uring_cqe *cqe = &ring->cq.cqes[(head + i) & mask];
    out[i].user_data = cqe->user_data;
    out[i].result = cqe->res;
    out[i].flags = cqe->flags;
  }
  __atomic_store_n(ring->cq.khead, head + n, __ATOMIC_RELEASE);
  return n;
}

static inline struct io_uring_sqe *martlet_sqe(struct io_uring *ring) { return io_uring_get_sqe(ring); }
static inline unsigned martlet_sqe_places(struct io_uring *ring) { return io_uring_sq_space_left(ring); }

// One enter: everything queued is submitted, then the call waits for a completion or for `timeout_ns` (negative: for ever).
static inline int martlet_ring_turn(struct io_uring *ring, unsigned wait, int64_t timeout_ns) {
  if (wait == 0) return io_uring_submit_and_get_events(ring);
  if (timeout_ns < 0) return io_uring_submit_and_wait(ring, wait);
  struct __kernel_timespec ts = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
  struct io_uring_cqe *ignored;
  return io_uring_submit_and_wait_timeout(ring, &ignored, wait, &ts, NULL);
}

static inline void martlet_sqe_common(struct io_uring_sqe *sqe, uint8_t opcode, int fd, uint64_t addr, uint32_t len,
                                      uint64_t user_data) {
  memset(sqe, 0, sizeof *sqe);
  sqe->opcode = opcode;
  sqe->fd = fd;
  sqe->addr = addr;
  sqe->len = len;
  sqe->user_data = user_data;
}

static inline void martlet_prep_accept_multishot(struct io_uring_sqe *sqe, int fd, uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_ACCEPT, fd, 0, 0, user_data);
  sqe->accept_flags = SOCK_CLOEXEC;
  sqe->ioprio = IORING_ACCEPT_MULTISHOT;
}

static inline void martlet_prep_recv_multishot(struct io_uring_sqe *sqe, int fd, uint16_t group, int bundle,
                                               int poll_first, uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_RECV, fd, 0, 0, user_data);
  sqe->ioprio = IORING_RECV_MULTISHOT | (bundle ? IORING_RECVSEND_BUNDLE : 0) |
                (poll_first ? IORING_RECVSEND_POLL_FIRST : 0);
  sqe->flags = IOSQE_BUFFER_SELECT;
  sqe->buf_group = group;
}

// One receive into a provided buffer; nothing stays armed behind it.
static inline void martlet_prep_recv_once(struct io_uring_sqe *sqe, int fd, uint16_t group, uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_RECV, fd, 0, 0, user_data);
  sqe->flags = IOSQE_BUFFER_SELECT;
  sqe->buf_group = group;
}

// `more`: the end of the stream follows at once, so the last segment waits for it and carries the FIN.
static inline void martlet_prep_send(struct io_uring_sqe *sqe, int fd, const void *bytes, uint32_t count, int more,
                                     uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_SEND, fd, (uint64_t)(uintptr_t)bytes, count, user_data);
  sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL | (more ? MSG_MORE : 0);
}

static inline void martlet_prep_sendmsg(struct io_uring_sqe *sqe, int fd, const struct msghdr *message, int more,
                                        uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_SENDMSG, fd, (uint64_t)(uintptr_t)message, 1, user_data);
  sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL | (more ? MSG_MORE : 0);
}

static inline void martlet_prep_connect(struct io_uring_sqe *sqe, int fd, const struct sockaddr *address,
                                        socklen_t count, uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_CONNECT, fd, (uint64_t)(uintptr_t)address, 0, user_data);
  sqe->off = count;
}

static inline void martlet_prep_cancel(struct io_uring_sqe *sqe, uint64_t target, uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_ASYNC_CANCEL, -1, target, 0, user_data);
}

static inline void martlet_prep_cancel_fd(struct io_uring_sqe *sqe, int fd, uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_ASYNC_CANCEL, fd, 0, 0, user_data);
  sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
}

static inline void martlet_prep_close(struct io_uring_sqe *sqe, int fd, uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_CLOSE, fd, 0, 0, user_data);
}

static inline void martlet_prep_poll(struct io_uring_sqe *sqe, int fd, uint32_t mask, uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_POLL_ADD, fd, 0, 0, user_data);
  sqe->poll32_events = mask;
}

static inline void martlet_prep_read(struct io_uring_sqe *sqe, int fd, void *buffer, uint32_t count,
                                     uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_READ, fd, (uint64_t)(uintptr_t)buffer, count, user_data);
  sqe->off = (uint64_t)-1;
}

// A completion with `data` and `result` appears on the other ring; ours stays silent unless it fails.
static inline void martlet_prep_message(struct io_uring_sqe *sqe, int ring_fd, uint64_t data, uint32_t result,
                                        uint64_t user_data) {
  martlet_sqe_common(sqe, IORING_OP_MSG_RING, ring_fd, IORING_MSG_DATA, result, user_data);
  sqe->off = data;
  sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
}

static inline void martlet_sqe_silent(struct io_uring_sqe *sqe) { sqe->flags |= IOSQE_CQE_SKIP_SUCCESS; }

// The ring of provided buffers: the kernel takes from its head, we put back at its tail.
static inline int martlet_buffers_register(struct io_uring *ring, void *memory, unsigned entries, uint16_t group) {
  struct io_uring_buf_reg reg;
  memset(&reg, 0, sizeof reg);
  reg.ring_addr = (uint64_t)(uintptr_t)memory;
  reg.ring_entries = entries;
  reg.bgid = group;
  return io_uring_register_buf_ring(ring, &reg, 0);
}
static inline void martlet_buffers_put(void *memory, uint16_t tail, uint16_t mask, void *base, uint32_t count,
                                       uint16_t id) {
  struct io_uring_buf *entry = &((struct io_uring_buf_ring *)memory)->bufs[tail & mask];
  entry->addr = (uint64_t)(uintptr_t)base;
  entry->len = count;
  entry->bid = id;
}
static inline void martlet_buffers_publish(void *memory, uint16_t tail) {
  __atomic_store_n(&((struct io_uring_buf_ring *)memory)->tail, tail, __ATOMIC_RELEASE);
}

// Does the kernel know every operation that we cannot do without?
static inline int martlet_probe(struct io_uring *ring) {
  static const int needed[] = {IORING_OP_ACCEPT,  IORING_OP_RECV,         IORING_OP_SEND,
                               IORING_OP_SENDMSG, IORING_OP_CONNECT,      IORING_OP_ASYNC_CANCEL,
                               IORING_OP_CLOSE,   IORING_OP_POLL_ADD,     IORING_OP_MSG_RING,
                               IORING_OP_READ};
  struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
  if (!probe) return 0;
  int ok = 1;
  for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++)
    ok &= io_uring_opcode_supported(probe, needed[i]) != 0;
  io_uring_free_probe(probe);
  return ok;
}

// accept4 is a GNU extension, which Swift's Glibc module does not show.
int martlet_accept(int socket);
// From now on it waits a millisecond at most, where the socket blocks.
int martlet_accept_briefly(int socket);

// Shuts the door of a listening socket without closing it: handshakes under way are completed and can be accepted,
// new ones are not answered. A TCP client tries again a second later and is refused by then, or finds whoever listens
// there next. The socket does not block any more. `open` takes it back, but for a UNIX socket (then -1).
int martlet_listen_shut(int socket, int is_unix);
int martlet_listen_open(int socket, int is_unix);

// Blocks the signals that main reads and ignores SIGPIPE; before any thread is started, so that all inherit it.
// The descriptor that delivers them, or -1.
int martlet_signals(void);
// Names the calling thread, as `top -H` and `perf` show it.
void martlet_thread_name(const char *name);
// Binds the calling thread to one CPU of the process's set: the `index`-th.
int martlet_thread_pin(unsigned index);
// CPUs in the process's affinity mask.
unsigned martlet_cpu_count(void);
