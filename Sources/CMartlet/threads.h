// The table of threads, as the files of the profilers share it.
#pragma once
#include "cmartlet_profile.h"
#include "cmartlet_samples.h"
#include <pthread.h>
#include <time.h>

struct martlet_thread {
  /// 0: free. Written under the lock of the table.
  int32_t thread_id;
  uint32_t generation;
  char name[32];
  uintptr_t stack_low, stack_high;
  timer_t timer;
  int has_timer;
  martlet_samples cpu;
  /// Of the allocation profile (allocations.c): the samples, bytes until the next one, state of the generator.
  martlet_samples allocations;
  int64_t bytes_left;
  uint64_t random;
  int is_sampling;
  /// One stack on demand: the number of the last request, and of the last answer.
  uint32_t wanted, given;
  size_t depth;
  uint64_t frames[martlet_frames_max];
};

extern struct martlet_thread martlet_threads[martlet_threads_max];
extern __thread struct martlet_thread *martlet_this_thread __attribute__((tls_model("initial-exec")));
