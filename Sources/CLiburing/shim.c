#define _GNU_SOURCE
#include "cliburing.h"

int martlet_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC); }

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/signalfd.h>

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
