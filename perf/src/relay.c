/* The floor: what a relay costs that looks at nothing. One thread, one ring; every accepted
 * connection gets an upstream connection of its own, and bytes go out of the buffer they came in.
 *
 *     relay LISTEN_PORT UPSTREAM_PORT [BUFFER_BYTES BUFFERS]
 *
 * Invariants: a pair is freed only when none of its operations is in flight and no list names it,
 * so a completion never meets a pair of another life. A buffer belongs to the pool, to one queue,
 * or to one send. */
#include "common.h"

/* A way that holds `queuedHigh` buffers stops receiving until `queuedLow` are left: one slow
 * reader must not take the whole pool. */
enum { gatherMax = 16, queuedHigh = 32, queuedLow = 8, pairsMax = 9900 };
enum Op { opAccept, opConnect, opReceive, opSend, opCancel, opClose };

/* One direction: what one side said and the other has not been sent yet. */
struct Way {
    int head, tail;           /* queue of buffer ids linked through `nextOf`; -1: empty */
    unsigned queued, sending; /* buffers waiting; buffers in the send in flight */
    bool receiving, cancelling, ended, finished;
    struct msghdr message;
    struct iovec pieces[gatherMax];
    unsigned short sendingIds[gatherMax];
};

/* way[0] carries what the downstream said, way[1] what the upstream said. */
struct Pair {
    int fd[2];                /* 0: downstream, 1: upstream */
    unsigned inFlight;
    bool connected, broken, dirty, starved;
    struct Pair *nextDirty, *nextStarved;
    struct Way way[2];
} __attribute__((aligned(64))); /* the low bits of its address carry side and operation */

static struct io_uring ring;
static struct Pool pool;
static struct sockaddr_in upstream;
static int listener;
static unsigned pairs;
static int *nextOf;           /* per buffer: the one behind it in its queue */
static unsigned *lengthOf;    /* per buffer: bytes in it */
static struct Pair *dirtyPairs, *starvedPairs;

static uint64_t tag(struct Pair *pair, int side, enum Op op) {
    return (uint64_t)(uintptr_t)pair | (uint64_t)side << 3 | op;
}

/* ---- what goes out ---- */

static void acceptArm(void) {
    struct io_uring_sqe *sqe = sqeNext(&ring);
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    sqe->user_data = opAccept;
}

static void receiveArm(struct Pair *pair, int side) {
    prepReceive(sqeNext(&ring), pair->fd[side], tag(pair, side, opReceive));
    pair->way[side].receiving = true;
    pair->inFlight++;
}

static void receiveCancel(struct Pair *pair, int side) {
    struct io_uring_sqe *sqe = sqeNext(&ring);
    io_uring_prep_cancel64(sqe, tag(pair, side, opReceive), 0);
    sqe->user_data = tag(pair, side, opCancel);
    pair->way[side].cancelling = true;
    pair->inFlight++;
}

static void sendQueued(struct Pair *pair, int side) {
    struct Way *way = &pair->way[side];
    unsigned n = 0;
    for (; way->head >= 0 && n < gatherMax; way->head = nextOf[way->head], n++) {
        way->sendingIds[n] = (unsigned short)way->head;
        way->pieces[n] = (struct iovec){poolBuffer(&pool, (unsigned)way->head), lengthOf[way->head]};
    }
    way->queued -= n;
    way->sending = n;
    pair->inFlight++;
    struct io_uring_sqe *sqe = sqeNext(&ring);
    uint64_t data = tag(pair, side, opSend);
    if (n == 1) {
        prepSend(sqe, pair->fd[1 - side], way->pieces[0].iov_base, way->pieces[0].iov_len, data);
    } else {
        way->message = (struct msghdr){.msg_iov = way->pieces, .msg_iovlen = n};
        io_uring_prep_sendmsg(sqe, pair->fd[1 - side], &way->message, MSG_WAITALL | MSG_NOSIGNAL);
        sqe->user_data = data;
    }
}

static void markDirty(struct Pair *pair) {
    if (pair->dirty) return;
    pair->dirty = true;
    pair->nextDirty = dirtyPairs;
    dirtyPairs = pair;
}

/* Everything in flight ends soon after the shutdown; the last completion frees the pair. */
static void breakPair(struct Pair *pair) {
    if (pair->broken) return;
    pair->broken = true;
    for (int side = 0; side < 2; side++) shutdown(pair->fd[side], SHUT_RDWR);
}

static bool isOver(const struct Pair *pair) {
    return pair->inFlight == 0 && (pair->broken || (pair->way[0].finished && pair->way[1].finished));
}

static void freePair(struct Pair *pair) {
    for (int side = 0; side < 2; side++) {
        for (int id = pair->way[side].head; id >= 0; id = nextOf[id]) poolGive(&pool, (unsigned)id);
        prepClose(sqeNext(&ring), pair->fd[side], opClose);
    }
    free(pair);
    pairs--;
}

/* ---- what comes in ---- */

static void accepted(int fd) {
    struct Pair *pair = NULL;
    int up = pairs < pairsMax ? socketMake() : -1;
    if (up < 0 || posix_memalign((void **)&pair, 64, sizeof *pair)) {
        close(fd);
        if (up >= 0) close(up);
        return;
    }
    pairs++;
    memset(pair, 0, sizeof *pair);
    pair->fd[0] = fd;
    pair->fd[1] = up;
    pair->way[0].head = pair->way[1].head = -1;
    struct io_uring_sqe *sqe = sqeNext(&ring);
    io_uring_prep_connect(sqe, up, (struct sockaddr *)&upstream, sizeof upstream);
    sqe->user_data = tag(pair, 1, opConnect);
    pair->inFlight++;
    receiveArm(pair, 0);
}

static void received(struct Pair *pair, int side, const struct io_uring_cqe *cqe) {
    struct Way *way = &pair->way[side];
    if (!(cqe->flags & IORING_CQE_F_MORE)) way->receiving = false;
    if (cqe->res > 0) {
        int id = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        pool.free--;
        lengthOf[id] = (unsigned)cqe->res;
        nextOf[id] = -1;
        if (way->head < 0) way->head = id;
        else nextOf[way->tail] = id;
        way->tail = id;
        way->queued++;
    } else if (cqe->res == 0) {
        way->ended = true;
    } else if (cqe->res != -ENOBUFS && cqe->res != -ECANCELED) {
        breakPair(pair);
    }
}

static void sent(struct Pair *pair, int side, int result) {
    struct Way *way = &pair->way[side];
    for (unsigned i = 0; i < way->sending; i++) poolGive(&pool, way->sendingIds[i]);
    way->sending = 0;
    if (result <= 0) breakPair(pair);
}

static void completed(const struct io_uring_cqe *cqe) {
    struct Pair *pair = (struct Pair *)(uintptr_t)(cqe->user_data & ~63ull);
    enum Op op = cqe->user_data & 7;
    int side = cqe->user_data >> 3 & 1;
    if (!pair) {
        if (op != opAccept) return;
        if (cqe->res >= 0) accepted(cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE)) acceptArm();
        return;
    }
    if (!(cqe->flags & IORING_CQE_F_MORE)) pair->inFlight--;
    switch (op) {
    case opConnect:
        if (cqe->res < 0) breakPair(pair);
        else pair->connected = true;
        break;
    case opReceive: received(pair, side, cqe); break;
    case opSend: sent(pair, side, cqe->res); break;
    case opCancel: pair->way[side].cancelling = false; break;
    case opAccept: case opClose: break;
    }
    markDirty(pair);
}

/* ---- the end of a turn ---- */

/* What a pair wants after this turn's events. Decided here and not per event, so that all that
 * arrived in a turn leaves in one call. */
static void settle(struct Pair *pair) {
    for (int side = 0; side < 2 && !pair->broken; side++) {
        struct Way *way = &pair->way[side];
        if (!pair->connected) continue;
        if (!way->sending && way->head >= 0) sendQueued(pair, side);
        if (way->ended && !way->finished && !way->sending && way->head < 0) {
            way->finished = true;
            /* When both have ended, the close says it all. */
            if (!pair->way[1 - side].finished) shutdown(pair->fd[1 - side], SHUT_WR);
        }
        if (way->receiving) {
            if (!way->cancelling && way->queued >= queuedHigh) receiveCancel(pair, side);
        } else if (!way->ended && way->queued <= queuedLow && !pair->starved) {
            pair->starved = true;
            pair->nextStarved = starvedPairs;
            starvedPairs = pair;
        }
    }
    if (isOver(pair) && !pair->starved) freePair(pair);
}

/* Receives that stopped (paused, out of buffers, or not yet begun) start again once a quarter of
 * the pool is free: with fewer they would stop at once. */
static void feedStarved(void) {
    if (pool.free < pool.count / 4) return;
    struct Pair *pair = starvedPairs;
    starvedPairs = NULL;
    for (struct Pair *next; pair; pair = next) {
        next = pair->nextStarved;
        pair->starved = false;
        for (int side = 0; side < 2 && !pair->broken; side++) {
            struct Way *way = &pair->way[side];
            if (!way->receiving && !way->ended && way->queued <= queuedLow) receiveArm(pair, side);
        }
        if (isOver(pair)) freePair(pair);
    }
}

static void turn(void) {
    int result = io_uring_submit_and_wait(&ring, 1);
    if (result < 0 && result != -EINTR) die("io_uring_enter: %s", strerror(-result));
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;
    io_uring_for_each_cqe(&ring, head, cqe) {
        completed(cqe);
        n++;
    }
    io_uring_cq_advance(&ring, n);
    struct Pair *pair = dirtyPairs;
    dirtyPairs = NULL;
    for (struct Pair *next; pair; pair = next) {
        next = pair->nextDirty;
        pair->dirty = false;
        settle(pair);
    }
    poolPublish(&pool);
    if (starvedPairs) feedStarved();
    poolPublish(&pool);
}

int main(int argc, char **argv) {
    if (argc < 3) die("usage: relay LISTEN_PORT UPSTREAM_PORT [BUFFER_BYTES BUFFERS]");
    unsigned size = argc > 3 ? (unsigned)atoi(argv[3]) : 16384;
    unsigned count = argc > 4 ? (unsigned)atoi(argv[4]) : 512;
    processSetup();
    upstream = loopback((unsigned)atoi(argv[2]));
    listener = listenOn((unsigned)atoi(argv[1]));
    ringMake(&ring, 1024);
    poolMake(&pool, &ring, count, size);
    nextOf = calloc(count, sizeof *nextOf);
    lengthOf = calloc(count, sizeof *lengthOf);
    if (!nextOf || !lengthOf) die("no memory");
    acceptArm();
    for (;;) turn();
}
