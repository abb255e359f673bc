// Call stacks. Our own code keeps frame pointers, the distribution's libraries do not: so the innermost frame, which may be
// anywhere in its prologue, and every frame in a library is undone by its call frame information (.eh_frame); frames of
// ours further out by the frame pointer, which is cheaper. Where there is no such information the frame pointer is tried.
//
// Runs within a signal handler, on whatever the registers hold: every address is checked before it is read.
#include "modules.h"
#include <string.h>

// The checks of the sanitizers are for programs that read what is theirs; this reads other functions' frames.
#define unchecked __attribute__((no_sanitize("address", "thread")))

enum { states_max = 8, expression_max = 16, red_zone = 128 };

unchecked static const struct martlet_module *module_of(uintptr_t address) {
  size_t count = __atomic_load_n(&martlet_module_count, __ATOMIC_ACQUIRE);
  for (size_t i = 0; i < count; i++)
    if (address >= martlet_modules[i].start && address < martlet_modules[i].end) return &martlet_modules[i];
  return NULL;
}

#if defined(__x86_64__)
// MARK: Call frame information (DWARF 5 §6.4; the Linux Standard Base on .eh_frame)

// DWARF's numbers of the registers; the last is the return address.
enum { register_fp = 6, register_sp = 7, register_return = 16, register_count = 17 };

struct cursor {
  uintptr_t registers[register_count], low, high;
};

/// How to undo one function at one instruction: where the frame begins, and which registers are saved at what distance
/// from there. Whatever is not saved is taken to be unchanged: so it is within OpenSSL's assembler, which finds its frames
/// by registers that others may overwrite.
struct row {
  uint64_t cfa_register;
  int64_t cfa_offset;
  const uint8_t *cfa_expression, *cfa_expression_end;
  uint32_t saved;
  int32_t offsets[register_count];
};

struct reader {
  const uint8_t *at, *end;
  int failed;
};

unchecked static uint64_t fixed(struct reader *r, size_t bytes) {
  if ((size_t)(r->end - r->at) < bytes) {
    r->failed = 1;
    r->at = r->end;
    return 0;
  }
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++) value |= (uint64_t)r->at[i] << 8 * i;
  r->at += bytes;
  return value;
}

unchecked static uint64_t uleb(struct reader *r) {
  uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    uint64_t byte = fixed(r, 1);
    if (shift < 64) value |= (byte & 0x7f) << shift;
    if (r->failed || !(byte & 0x80)) return value;
  }
}

unchecked static int64_t sleb(struct reader *r) {
  uint64_t value = 0;
  for (unsigned shift = 0;;) {
    uint64_t byte = fixed(r, 1);
    if (shift < 64) value |= (byte & 0x7f) << shift;
    shift += 7;
    if (r->failed) return 0;
    if (byte & 0x80) continue;
    if (shift < 64 && byte & 0x40) value |= ~0ull << shift;
    return (int64_t)value;
  }
}

unchecked static int on_stack(const struct cursor *c, uintptr_t address) {
  return !(address & 7) && address >= c->low && address < c->high && c->high - address >= 8;
}

unchecked static int load(const struct cursor *c, uintptr_t address, uintptr_t *value) {
  if (!on_stack(c, address)) return 0;
  *value = *(const uintptr_t *)address;
  return 1;
}

/// Of the bytes of an encoded pointer, 0 where it is none that linkers write for code.
unchecked static size_t pointer_bytes(uint8_t encoding) {
  switch (encoding & 0x0f) {
    case 0x00: case 0x04: case 0x0c: return 8;
    case 0x03: case 0x0b: return 4;
    default: return 0;
  }
}

unchecked static void set_offset(struct row *row, uint64_t reg, int64_t offset) {
  if (reg >= register_count) return;
  row->saved |= 1u << reg;
  row->offsets[reg] = (int32_t)offset;
}

unchecked static void set_same(struct row *row, uint64_t reg, const struct row *initial) {
  if (reg >= register_count) return;
  row->saved &= ~(1u << reg);
  if (!initial) return;
  row->saved |= initial->saved & 1u << reg;
  row->offsets[reg] = initial->offsets[reg];
}

struct factors {
  uint64_t code;
  int64_t data;
};

/// Runs instructions until those for `ip` are done, with `at` as the place of the first; 0: one that is not understood.
unchecked static int run(struct reader *r, struct row *row, const struct row *initial, struct factors factors, uintptr_t at, uintptr_t ip) {
  struct row states[states_max];
  size_t depth = 0;
  while (r->at < r->end && !r->failed) {
    uint8_t op = (uint8_t)fixed(r, 1);
    uint64_t low = op & 0x3f, reg;
    switch (op & 0xc0) {
      case 0x40:  // DW_CFA_advance_loc
        at += low * factors.code;
        if (at > ip) return 1;
        continue;
      case 0x80:  // DW_CFA_offset
        set_offset(row, low, (int64_t)uleb(r) * factors.data);
        continue;
      case 0xc0:  // DW_CFA_restore
        set_same(row, low, initial);
        continue;
    }
    switch (op) {
      case 0x00: break;  // nop
      case 0x02: case 0x03: case 0x04:  // advance_loc1, 2, 4
        at += fixed(r, (size_t)1 << (op - 2)) * factors.code;
        if (at > ip) return 1;
        break;
      case 0x05:  // offset_extended
        reg = uleb(r);
        set_offset(row, reg, (int64_t)uleb(r) * factors.data);
        break;
      case 0x06: set_same(row, uleb(r), initial); break;  // restore_extended
      case 0x07:  // undefined: of the return address, where the stack ends
        set_same(row, uleb(r), NULL);
        break;
      case 0x08: set_same(row, uleb(r), NULL); break;  // same_value
      case 0x09:  // register
        reg = uleb(r);
        uleb(r);
        if (reg == register_return) return 0;
        break;
      case 0x0a:  // remember_state
        if (depth == states_max) return 0;
        states[depth++] = *row;
        break;
      case 0x0b:  // restore_state
        if (depth == 0) return 0;
        *row = states[--depth];
        break;
      case 0x0c:  // def_cfa
        row->cfa_register = uleb(r);
        row->cfa_offset = (int64_t)uleb(r);
        row->cfa_expression = NULL;
        break;
      case 0x0d: row->cfa_register = uleb(r); break;  // def_cfa_register
      case 0x0e: row->cfa_offset = (int64_t)uleb(r); break;  // def_cfa_offset
      case 0x0f: {  // def_cfa_expression
        uint64_t count = uleb(r);
        if (count > (uint64_t)(r->end - r->at)) return 0;
        row->cfa_expression = r->at;
        row->cfa_expression_end = r->at + count;
        r->at += count;
        break;
      }
      case 0x10: case 0x16: {  // expression, val_expression
        reg = uleb(r);
        uint64_t count = uleb(r);
        if (count > (uint64_t)(r->end - r->at)) return 0;
        r->at += count;
        if (reg == register_return) return 0;
        break;
      }
      case 0x11:  // offset_extended_sf
        reg = uleb(r);
        set_offset(row, reg, sleb(r) * factors.data);
        break;
      case 0x12:  // def_cfa_sf
        row->cfa_register = uleb(r);
        row->cfa_offset = sleb(r) * factors.data;
        row->cfa_expression = NULL;
        break;
      case 0x13: row->cfa_offset = sleb(r) * factors.data; break;  // def_cfa_offset_sf
      case 0x2e: uleb(r); break;  // GNU_args_size
      default: return 0;
    }
  }
  return !r->failed;
}

/// The few operations that compilers, the linker's PLT and OpenSSL's assembler use.
unchecked static int evaluate(const struct row *row, const struct cursor *c, uintptr_t *result) {
  struct reader r = {row->cfa_expression, row->cfa_expression_end, 0};
  uintptr_t stack[expression_max];
  size_t n = 0;
  while (r.at < r.end) {
    uint8_t op = (uint8_t)fixed(&r, 1);
    if (op == 0x06) {  // deref
      if (n == 0 || !load(c, stack[n - 1], &stack[n - 1])) return 0;
    } else if (op == 0x23) {  // plus_uconst
      if (n == 0) return 0;
      stack[n - 1] += uleb(&r);
    } else if (op == 0x1a || op == 0x1c || op == 0x22 || op == 0x24 || op == 0x2a) {
      if (n < 2) return 0;
      uintptr_t b = stack[--n], a = stack[n - 1];
      stack[n - 1] = op == 0x1a ? (a & b) : op == 0x1c ? a - b : op == 0x22 ? a + b : op == 0x24 ? a << (b & 63) : (uintptr_t)((intptr_t)a >= (intptr_t)b);
    } else {
      if (n == expression_max) return 0;
      if (op >= 0x30 && op <= 0x4f) stack[n++] = op - 0x30;  // lit0 to lit31
      else if (op == 0x08) stack[n++] = fixed(&r, 1);          // const1u
      else if (op >= 0x70 && op <= 0x80) stack[n++] = c->registers[op - 0x70] + (uintptr_t)sleb(&r);  // breg0 to breg16
      else return 0;
    }
  }
  if (r.failed || n == 0) return 0;
  *result = stack[n - 1];
  return 1;
}

/// The row for `ip` out of its function's frame description; 0: there is none, or none that is understood.
unchecked static int find_row(const struct martlet_module *module, uintptr_t ip, struct row *row) {
  if (module->count == 0) return 0;
  int64_t wanted = (int64_t)(ip - module->base);
  if (wanted < module->entries[0]) return 0;
  size_t low = 0, high = module->count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (module->entries[2 * middle] <= wanted) low = middle;
    else high = middle;
  }
  uintptr_t function = module->base + (uintptr_t)(intptr_t)module->entries[2 * low];
  const uint8_t *description = (const uint8_t *)(module->base + (uintptr_t)(intptr_t)module->entries[2 * low + 1]);

  struct reader fde = {description, description + 8, 0};
  uint64_t length = fixed(&fde, 4), back = fixed(&fde, 4);
  if (length < 4 || length >= 0xfffffff0) return 0;
  fde.end = description + 4 + length;
  const uint8_t *common = description + 4 - back;
  struct reader cie = {common, common + 4, 0};
  uint64_t common_length = fixed(&cie, 4);
  if (common_length < 4 || common_length >= 0xfffffff0) return 0;
  cie.end = common + 4 + common_length;
  if (fixed(&cie, 4) != 0) return 0;
  uint64_t version = fixed(&cie, 1);
  if (version != 1 && version != 3) return 0;
  const uint8_t *augmentation = cie.at;
  while (fixed(&cie, 1) != 0)
    if (cie.failed) return 0;
  struct factors factors = {uleb(&cie), 0};
  factors.data = sleb(&cie);
  if ((version == 1 ? fixed(&cie, 1) : uleb(&cie)) != register_return) return 0;
  uint8_t encoding = 0;
  if (*augmentation == 'z') {
    uint64_t count = uleb(&cie);
    if (cie.failed || count > (uint64_t)(cie.end - cie.at)) return 0;
    const uint8_t *instructions = cie.at + count;
    for (const uint8_t *c = augmentation + 1; *c; c++) {
      if (*c == 'R') encoding = (uint8_t)fixed(&cie, 1);
      else if (*c == 'L') fixed(&cie, 1);
      else if (*c == 'P') fixed(&cie, pointer_bytes((uint8_t)fixed(&cie, 1)));
      else if (*c != 'S' && *c != 'B') return 0;
    }
    cie.at = instructions;
  } else if (*augmentation) {
    return 0;
  }
  size_t bytes = pointer_bytes(encoding);
  if (bytes == 0 || cie.failed) return 0;
  fixed(&fde, bytes);
  uint64_t range = fixed(&fde, bytes);
  if (ip - function >= range) return 0;
  if (*augmentation == 'z') {
    uint64_t count = uleb(&fde);
    if (fde.failed || count > (uint64_t)(fde.end - fde.at)) return 0;
    fde.at += count;
  }
  memset(row, 0, sizeof *row);
  if (!run(&cie, row, NULL, factors, 0, UINTPTR_MAX)) return 0;
  struct row initial = *row;
  return run(&fde, row, &initial, factors, function, ip);
}

enum step { step_done, step_ended, step_failed };

unchecked static enum step by_information(const struct martlet_module *module, uintptr_t ip, struct cursor *c) {
  struct row row;
  if (!find_row(module, ip, &row)) return step_failed;
  uintptr_t cfa;
  if (row.cfa_expression) {
    if (!evaluate(&row, c, &cfa)) return step_failed;
  } else if (row.cfa_register < register_return) {
    cfa = c->registers[row.cfa_register] + (uintptr_t)row.cfa_offset;
  } else {
    return step_failed;
  }
  if (!(row.saved & 1u << register_return)) return step_ended;
  // The stack is undone upwards; anything else is a loop.
  if (cfa <= c->registers[register_sp] || cfa > c->high) return step_failed;
  uintptr_t saved[register_count];
  for (unsigned i = 0; i < register_count; i++)
    if (row.saved & 1u << i && !load(c, cfa + (uintptr_t)(intptr_t)row.offsets[i], &saved[i])) return step_failed;
  for (unsigned i = 0; i < register_count; i++)
    if (row.saved & 1u << i) c->registers[i] = saved[i];
  c->registers[register_sp] = cfa;
  return step_done;
}

unchecked static enum step by_frame_pointer(struct cursor *c) {
  uintptr_t frame = c->registers[register_fp], fp, ip;
  if (frame < c->registers[register_sp] || !load(c, frame, &fp) || !load(c, frame + 8, &ip)) return step_failed;
  c->registers[register_sp] = frame + 16;
  c->registers[register_return] = ip;
  c->registers[register_fp] = fp;
  return step_done;
}

unchecked size_t martlet_unwind(const martlet_registers *from, uint64_t *frames, size_t max) {
  if (max == 0) return 0;
  struct cursor c = {.high = from->stack_high};
  memcpy(c.registers, from->values, sizeof c.registers);
  uintptr_t ip = c.registers[register_return], sp = c.registers[register_sp];
  size_t count = 0;
  frames[count++] = ip;
  if (sp < from->stack_low || sp >= from->stack_high) return count;
  // The red zone too: behind an epilogue's last pop the saved frame pointer lies just below the stack pointer.
  c.low = sp - from->stack_low < red_zone ? from->stack_low : sp - red_zone;
  while (count < max) {
    const struct martlet_module *module = module_of(ip);
    enum step step;
    if (module == martlet_modules && count > 1) {
      step = by_frame_pointer(&c);
      if (step == step_failed) step = by_information(module, ip, &c);
    } else {
      step = module ? by_information(module, ip, &c) : step_failed;
      if (step == step_failed) step = by_frame_pointer(&c);
    }
    uintptr_t next = c.registers[register_return];
    // A return address may be the first one behind its function: what matters is the call.
    ip = next - 1;
    if (step != step_done || next == 0 || !module_of(ip)) break;
    frames[count++] = next;
  }
  return count;
}
#else
size_t martlet_unwind(const martlet_registers *from, uint64_t *frames, size_t max) {
  if (max == 0) return 0;
  (void)from, (void)frames;
  return 0;
}
#endif
