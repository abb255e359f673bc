#define _GNU_SOURCE
#include "cliburing.h"

int martlet_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC); }

#include <fcntl.h>
#include <linux/filter.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/time.h>

int martlet_accept_briefly(int socket) {
  struct timeval limit = {.tv_usec = 1000};
  return setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

int martlet_listen_shut(int socket, int is_unix) {
  int flags = fcntl(socket, F_GETFL);
  if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0) return -1;
  // connect says ECONNREFUSED from here on, and the queue can still be emptied.
  if (is_unix) return shutdown(socket, SHUT_RD);
  // Drops a SYN without ACK; everything else passes, the last segment of a handshake too. Offset 13: the flags.
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
  return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

int martlet_listen_open(int socket, int is_unix) {
  if (is_unix) return -1;
  int unused = 0;
  setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
  int flags = fcntl(socket, F_GETFL);
  return flags < 0 ? -1 : fcntl(socket, F_SETFL, flags & ~O_NONBLOCK);
}

int martlet_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGUSR1);
  signal(SIGPIPE, SIG_IGN);
  if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) return -1;
  return signalfd(-1, &set, SFD_CLOEXEC);
}

void martlet_thread_name(const char *name) { pthread_setname_np(pthread_self(), name); }

int martlet_thread_pin(unsigned index) {
  cpu_set_t all, one;
  if (sched_getaffinity(0, sizeof all, &all) != 0) return -1;
  unsigned seen = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all)) continue;
    if (seen++ != index) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return pthread_setaffinity_np(pthread_self(), sizeof one, &one);
  }
  return -1;
}

unsigned martlet_cpu_count(void) {
  cpu_set_t all;
  if (sched_getaffinity(0, sizeof all, &all) != 0) return 1;
  return (unsigned)CPU_COUNT(&all);
}
