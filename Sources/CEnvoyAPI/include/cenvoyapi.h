#pragma once
#include <stddef.h>

// What the configuration reader knows about messages, as plain bytes: an array literal of this size in Swift would take
// the compiler longer than the whole target.

/// The FileDescriptorSet of Sources/EnvoyAPI/Protos, written by generate.sh.
extern const unsigned char *const _Nonnull martlet_descriptors;
extern const size_t martlet_descriptors_count;

/// Names of the extension messages that Envoy has, one a line: the reader tells "not supported yet" from "no such type".
extern const char *const _Nonnull martlet_envoy_types;
