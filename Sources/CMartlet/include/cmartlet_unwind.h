#pragma once
#include <stddef.h>
#include <stdint.h>

// Call stacks, for a signal handler: no allocation, no lock, no call into the C library; reads nothing but the stack within
// its bounds and the read-only tables of modules that were listed before.

enum {
  /// The program and its libraries; code of what is beyond is not known. `docs/limits.md` §profiles.
  martlet_modules_max = 128,
};

/// Lists the loaded modules and their unwind tables. Modules are only ever added, so that a handler on another thread
/// may read on. Not within a handler.
void martlet_list_modules(void);

typedef struct {
  /// Of the code. 0: there is no module of that number.
  uintptr_t start, end;
  /// What the addresses in the file are moved by, and where its code begins.
  uintptr_t bias;
  uint64_t offset;
  const char *path;
  const uint8_t *build_id;
  size_t build_id_bytes;
} martlet_module_facts;

/// The program is number 0.
martlet_module_facts martlet_module_facts_of(size_t number);

/// Where the function begins that holds the address, as the unwind tables know it; 0: they do not.
uintptr_t martlet_function_start(uintptr_t address);

/// Whether the instruction before the address is a system call. The address lies in a module, or nothing is read.
int32_t martlet_is_behind_system_call(uintptr_t address);

typedef struct {
  /// By DWARF's numbers; on x86-64 6 is the frame pointer, 7 the stack pointer, 16 the address of the instruction.
  uintptr_t values[17];
  /// The thread's stack: nothing outside is read.
  uintptr_t stack_low, stack_high;
} martlet_registers;

/// Writes the addresses of the stack, innermost first, `max` at the most; all but the first are return addresses. How many.
size_t martlet_unwind(const martlet_registers *from, uint64_t *frames, size_t max);
