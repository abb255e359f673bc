#pragma once
#include <stddef.h>
#include <stdint.h>

// The threads of the process, samples of what they do, and the stack of one that hangs.
//
// A thread says who it is once (`martlet_thread_enter`). While a profile runs each has a timer of its own CPU time, whose
// signal (SIGPROF) it handles itself: it writes its stack into its own ring of words, which main empties. While none runs
// there is no timer and nothing is done. No lock is taken in the handler; what follows is for threads that may wait.

enum {
  /// Threads that are known at once. `docs/limits.md` §profiles.
  martlet_threads_max = 1024,
  /// Addresses of one stack; what is further out is cut.
  martlet_frames_max = 128,
  /// Words of a thread's ring: two seconds at 100 Hz of stacks of full depth.
  martlet_ring_words = 1 << 15,
};

/// The calling thread is one of ours from here on; its number, or -1 where all are taken. A second time
/// it has the number that it has.
int32_t martlet_thread_enter(const char *name);
void martlet_thread_leave(void);

typedef struct {
  /// 0: nobody has this number.
  int32_t thread_id;
  /// Differs for each thread that has the number after another.
  uint32_t generation;
  char name[32];
} martlet_thread_facts;

martlet_thread_facts martlet_thread_facts_of(int32_t number);

/// Every number that was ever taken is below this.
int32_t martlet_threads_used(void);

/// What the thread has used of the CPU, in nanoseconds; 0 where it is gone.
uint64_t martlet_thread_cpu_ns(int32_t thread_id);

/// A signal for one thread of this process.
int32_t martlet_thread_kill(int32_t thread_id, int32_t number);

// MARK: CPU samples

/// Installs the handler, which ignores what nobody asked for. Once, before threads start.
void martlet_profile_prepare(void);

/// Samples every thread each `period_ns` of its CPU time, those too that come later. How many could not be given a timer,
/// or -1 with `errno`: one is running (EBUSY), this processor's registers are not known here (ENOTSUP).
int32_t martlet_profile_start(uint64_t period_ns);
void martlet_profile_stop(void);

/// Takes the oldest sample out of a ring: its addresses, innermost first; `weight`: periods that it stands for. 0: none.
/// For whoever started the profile.
size_t martlet_profile_take(int32_t number, uint64_t *frames, uint32_t *weight);

/// Samples for which a ring had no room, since the start.
uint64_t martlet_profile_lost(int32_t number);

// MARK: One stack

/// Asks a thread for its stack and waits up to `patience_ns`; 0: it did not answer. One caller at a time.
size_t martlet_thread_stack(int32_t number, uint64_t patience_ns, uint64_t *frames);

/// The calling thread's own stack, without this function.
size_t martlet_stack_here(uint64_t *frames, size_t max);
