// Who the threads are, their timers, and the handler of SIGPROF. One lock orders entering, leaving, starting and stopping;
// the handler takes none.
#define _GNU_SOURCE
#include "threads.h"
#include "cmartlet_unwind.h"
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define unchecked __attribute__((no_sanitize("address", "thread")))

struct martlet_thread martlet_threads[martlet_threads_max];
__thread struct martlet_thread *martlet_this_thread __attribute__((tls_model("initial-exec")));
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int32_t used;
static uint64_t period;  // of the profile that runs; 0: none does

// MARK: Handler

#if defined(__x86_64__)
unchecked static void take_registers(const ucontext_t *context, martlet_registers *registers) {
  // In the order of DWARF's numbers: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip.
  static const uint8_t places[17] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
                                     REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
  for (int i = 0; i < 17; i++) registers->values[i] = (uintptr_t)context->uc_mcontext.gregs[places[i]];
}
enum { registers_are_known = 1 };
#else
static void take_registers(const ucontext_t *context, martlet_registers *registers) { (void)context, (void)registers; }
enum { registers_are_known = 0 };
#endif

unchecked static void handle(int number, siginfo_t *info, void *context) {
  (void)number;
  int saved = errno;
  struct martlet_thread *thread = martlet_this_thread;
  if (thread && registers_are_known) {
    martlet_registers registers = {{0}, thread->stack_low, thread->stack_high};
    take_registers(context, &registers);
    if (info->si_code == SI_TIMER && __atomic_load_n(&period, __ATOMIC_RELAXED) != 0) {
      uint64_t frames[martlet_frames_max];
      size_t count = martlet_unwind(&registers, frames, martlet_frames_max);
      // Expiries that this signal stands for: the thread may have been in the kernel for longer than a period.
      uint64_t weight = 1 + (uint64_t)(info->si_overrun > 0 ? info->si_overrun : 0);
      martlet_samples_put(&thread->cpu, weight, frames, count);
    } else if (info->si_code == SI_TKILL) {
      uint32_t wanted = __atomic_load_n(&thread->wanted, __ATOMIC_ACQUIRE);
      if (wanted != thread->given) {
        thread->depth = martlet_unwind(&registers, thread->frames, martlet_frames_max);
        __atomic_store_n(&thread->given, wanted, __ATOMIC_RELEASE);
      }
    }
  }
  errno = saved;
}

void martlet_profile_prepare(void) {
  martlet_list_modules();
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGPROF, &action, NULL);
}

// MARK: Timers (under the lock)

// The kernel's number for the CPU time of a thread of this process: what pthread_getcpuclockid computes from a pthread_t.
static clockid_t cpu_clock(int32_t thread_id) { return (clockid_t)((~(uint32_t)thread_id << 3) | 6); }

static void stop_timer(struct martlet_thread *thread) {
  if (thread->has_timer) timer_delete(thread->timer);
  thread->has_timer = 0;
}

static int start_timer(struct martlet_thread *thread) {
  if (martlet_samples_prepare(&thread->cpu) != 0) return -1;
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGPROF;
  event._sigev_un._tid = thread->thread_id;
  if (timer_create(cpu_clock(thread->thread_id), &event, &thread->timer) != 0) return -1;
  thread->has_timer = 1;
  struct itimerspec times;
  times.it_interval.tv_sec = (time_t)(period / 1000000000);
  times.it_interval.tv_nsec = (long)(period % 1000000000);
  times.it_value = times.it_interval;
  if (timer_settime(thread->timer, 0, &times, NULL) == 0) return 0;
  stop_timer(thread);
  return -1;
}

// MARK: Threads

int32_t martlet_thread_enter(const char *name) {
  if (martlet_this_thread) return (int32_t)(martlet_this_thread - martlet_threads);
  pthread_attr_t attributes;
  void *stack = NULL;
  size_t bytes = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &stack, &bytes);
    pthread_attr_destroy(&attributes);
  }
  pthread_mutex_lock(&lock);
  int32_t number = 0;
  while (number < martlet_threads_max && martlet_threads[number].thread_id != 0) number++;
  if (number < martlet_threads_max) {
    struct martlet_thread *thread = &martlet_threads[number];
    thread->generation++;
    strncpy(thread->name, name, sizeof thread->name - 1);
    thread->stack_low = (uintptr_t)stack;
    thread->stack_high = (uintptr_t)stack + bytes;
    thread->given = thread->wanted;
    thread->is_sampling = 0;
    thread->bytes_left = INT64_MIN;
    thread->random = ((uint64_t)(uintptr_t)thread ^ 0x9e3779b97f4a7c15ull) + thread->generation;
    __atomic_store_n(&thread->thread_id, (int32_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
    martlet_this_thread = thread;
    if (number >= used) __atomic_store_n(&used, number + 1, __ATOMIC_RELEASE);
    if (period != 0) start_timer(thread);
  }
  pthread_mutex_unlock(&lock);
  return number < martlet_threads_max ? number : -1;
}

void martlet_thread_leave(void) {
  struct martlet_thread *thread = martlet_this_thread;
  if (!thread) return;
  pthread_mutex_lock(&lock);
  stop_timer(thread);
  // A signal that is already on its way finds nobody.
  *(struct martlet_thread *volatile *)&martlet_this_thread = NULL;
  __atomic_store_n(&thread->thread_id, 0, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&lock);
}

int32_t martlet_threads_used(void) { return __atomic_load_n(&used, __ATOMIC_ACQUIRE); }

martlet_thread_facts martlet_thread_facts_of(int32_t number) {
  martlet_thread_facts facts = {0};
  if (number < 0 || number >= martlet_threads_max) return facts;
  pthread_mutex_lock(&lock);
  facts.thread_id = martlet_threads[number].thread_id;
  facts.generation = martlet_threads[number].generation;
  memcpy(facts.name, martlet_threads[number].name, sizeof facts.name);
  pthread_mutex_unlock(&lock);
  return facts;
}

uint64_t martlet_thread_cpu_ns(int32_t thread_id) {
  struct timespec time;
  if (thread_id == 0 || clock_gettime(cpu_clock(thread_id), &time) != 0) return 0;
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

// MARK: CPU samples

int32_t martlet_profile_start(uint64_t period_ns) {
  if (!registers_are_known) {
    errno = ENOTSUP;
    return -1;
  }
  pthread_mutex_lock(&lock);
  if (period != 0) {
    pthread_mutex_unlock(&lock);
    errno = EBUSY;
    return -1;
  }
  martlet_list_modules();
  int refused = 0;
  for (int i = 0; i < martlet_threads_max; i++) martlet_samples_clear(&martlet_threads[i].cpu);
  __atomic_store_n(&period, period_ns, __ATOMIC_RELAXED);
  for (int i = 0; i < martlet_threads_max; i++)
    if (martlet_threads[i].thread_id != 0 && start_timer(&martlet_threads[i]) != 0) refused++;
  pthread_mutex_unlock(&lock);
  return refused;
}

void martlet_profile_stop(void) {
  pthread_mutex_lock(&lock);
  __atomic_store_n(&period, 0, __ATOMIC_RELAXED);
  for (int i = 0; i < martlet_threads_max; i++) stop_timer(&martlet_threads[i]);
  pthread_mutex_unlock(&lock);
}

size_t martlet_profile_take(int32_t number, uint64_t *frames, uint32_t *weight) {
  uint64_t value = 0;
  size_t count = martlet_samples_take(&martlet_threads[number].cpu, &value, frames);
  *weight = (uint32_t)value;
  return count;
}

uint64_t martlet_profile_lost(int32_t number) { return __atomic_load_n(&martlet_threads[number].cpu.lost, __ATOMIC_RELAXED); }

int32_t martlet_thread_kill(int32_t thread_id, int32_t number) {
  return (int32_t)syscall(SYS_tgkill, getpid(), thread_id, number);
}

// MARK: One stack

size_t martlet_thread_stack(int32_t number, uint64_t patience_ns, uint64_t *frames) {
  if (!registers_are_known || number < 0 || number >= martlet_threads_max) return 0;
  struct martlet_thread *thread = &martlet_threads[number];
  int32_t thread_id = __atomic_load_n(&thread->thread_id, __ATOMIC_ACQUIRE);
  if (thread_id == 0) return 0;
  uint32_t wanted = thread->wanted + 1;
  __atomic_store_n(&thread->wanted, wanted, __ATOMIC_RELEASE);
  if (syscall(SYS_tgkill, getpid(), thread_id, SIGPROF) != 0) return 0;
  const uint64_t step = 200000;
  for (uint64_t waited = 0; __atomic_load_n(&thread->given, __ATOMIC_ACQUIRE) != wanted; waited += step) {
    if (waited >= patience_ns) return 0;
    struct timespec pause = {0, (long)step};
    nanosleep(&pause, NULL);
  }
  memcpy(frames, thread->frames, thread->depth * sizeof *frames);
  return thread->depth;
}

size_t martlet_stack_here(uint64_t *frames, size_t max) {
#if defined(__x86_64__)
  struct martlet_thread *thread = martlet_this_thread;
  if (!thread) return 0;
  const uintptr_t *frame = __builtin_frame_address(0);
  martlet_registers registers = {{0}, thread->stack_low, thread->stack_high};
  registers.values[6] = frame[0];
  registers.values[7] = (uintptr_t)(frame + 2);
  // As if it stood at the call: a return address may be the first one behind its function.
  registers.values[16] = frame[1];
  return martlet_unwind(&registers, frames, max);
#else
  (void)frames, (void)max;
  return 0;
#endif
}
