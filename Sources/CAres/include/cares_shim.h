// c-ares, and what Swift cannot say of it: an options structure with a callback in the middle.
#pragma once
#include <ares.h>
#include <string.h>
#include <sys/time.h>

typedef void (*martlet_ares_socket_changed)(void *data, int descriptor, int readable, int writable);

static inline int martlet_ares_create(ares_channel *channel, int flags, int timeout_ms, int tries, int rotate,
                                      int edns_bytes, martlet_ares_socket_changed changed, void *data) {
  struct ares_options options;
  memset(&options, 0, sizeof options);
  options.flags = flags;
  options.timeout = timeout_ms;
  options.tries = tries;
  options.ednspsz = edns_bytes;
  options.sock_state_cb = changed;
  options.sock_state_cb_data = data;
  int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
             (rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);
  if (edns_bytes) mask |= ARES_OPT_EDNSPSZ;
  return ares_init_options(channel, &options, mask);
}

// Milliseconds until c-ares wants to be called again; -1: never.
static inline long martlet_ares_timeout_ms(ares_channel channel) {
  struct timeval wait;
  if (!ares_timeout(channel, NULL, &wait)) return -1;
  return wait.tv_sec * 1000 + (wait.tv_usec + 999) / 1000;
}

static inline void martlet_ares_look_up(ares_channel channel, const char *name, int family,
                                        ares_addrinfo_callback callback, void *argument) {
  struct ares_addrinfo_hints hints;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = family;
  hints.ai_flags = ARES_AI_NOSORT;
  ares_getaddrinfo(channel, name, NULL, &hints, callback, argument);
}
