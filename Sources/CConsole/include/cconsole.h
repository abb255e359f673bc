#pragma once
#include <stddef.h>

/// A file of the console as it lies in `web/`, in the binary.
typedef struct {
    const char *const _Nonnull name;
    const unsigned char *const _Nonnull bytes;
    size_t count;
} martlet_console_file;

/// All of them.
const martlet_console_file *_Nonnull martlet_console_table(void);
extern const size_t martlet_console_files_count;
