// nghttp2 for Swift: the library's own header, and a heap for it that keeps what is freed, so that streams in steady
// state cost no call of malloc.
#pragma once
#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdint.h>

enum {
  // 32 B … 64 KiB; what is larger goes to malloc.
  MARTLET_H2_CLASSES = 12,
  MARTLET_H2_SMALLEST = 32,
  // Bytes that one class keeps for reuse (docs/limits.md).
  MARTLET_H2_KEPT_MAX = 1 << 20,
};

// One per worker; only its thread allocates and frees.
typedef struct {
  void *free[MARTLET_H2_CLASSES];
  uint32_t kept[MARTLET_H2_CLASSES];
  // Bytes handed out and not given back, the classes' rounding included.
  size_t live;
  // Calls of malloc, for tests: in steady state it does not grow.
  size_t system_calls;
  // Nothing is kept, every object is an allocation of its own (address sanitizer).
  int separate;
  nghttp2_mem interface;
} martlet_h2_heap;

martlet_h2_heap *martlet_h2_heap_new(int separate);
void martlet_h2_heap_delete(martlet_h2_heap *heap);

// One field of a header list; nghttp2 copies name and value.
static inline nghttp2_nv martlet_h2_nv(const uint8_t *name, size_t namelen, const uint8_t *value, size_t valuelen) {
  nghttp2_nv nv = {(uint8_t *)name, (uint8_t *)value, namelen, valuelen, NGHTTP2_NV_FLAG_NONE};
  return nv;
}

static inline uint8_t martlet_h2_type(const nghttp2_frame *frame) { return frame->hd.type; }
static inline uint8_t martlet_h2_flags(const nghttp2_frame *frame) { return frame->hd.flags; }
static inline int32_t martlet_h2_stream(const nghttp2_frame *frame) { return frame->hd.stream_id; }
static inline size_t martlet_h2_length(const nghttp2_frame *frame) { return frame->hd.length; }
static inline int martlet_h2_category(const nghttp2_frame *frame) { return (int)frame->headers.cat; }
static inline uint32_t martlet_h2_goaway_code(const nghttp2_frame *frame) { return frame->goaway.error_code; }
static inline int32_t martlet_h2_goaway_last(const nghttp2_frame *frame) { return frame->goaway.last_stream_id; }
static inline uint32_t martlet_h2_reset_code(const nghttp2_frame *frame) { return frame->rst_stream.error_code; }

// A stream's name travels through the library as a pointer that is never followed.
static inline void *martlet_h2_pack(uint64_t handle) { return (void *)(uintptr_t)handle; }
static inline uint64_t martlet_h2_unpack(const void *handle) { return (uint64_t)(uintptr_t)handle; }

// `ends`: no body follows. Else `read` is asked for it, with the handle.
static inline int martlet_h2_respond(nghttp2_session *session, int32_t stream, const nghttp2_nv *fields, size_t count,
                                     int ends, uint64_t handle, nghttp2_data_source_read_callback read) {
  nghttp2_data_provider provider = {{.ptr = martlet_h2_pack(handle)}, read};
  return nghttp2_submit_response(session, stream, fields, count, ends ? NULL : &provider);
}
static inline int32_t martlet_h2_request(nghttp2_session *session, const nghttp2_nv *fields, size_t count, int ends,
                                         uint64_t handle, nghttp2_data_source_read_callback read) {
  nghttp2_data_provider provider = {{.ptr = martlet_h2_pack(handle)}, read};
  return nghttp2_submit_request(session, NULL, fields, count, ends ? NULL : &provider, martlet_h2_pack(handle));
}
// A frame of a type that the library does not know; `bytes` comes back from the pack callback.
static inline int martlet_h2_extension(nghttp2_session *session, uint8_t type, uint8_t flags, int32_t stream, size_t bytes) {
  return nghttp2_submit_extension(session, type, flags, stream, martlet_h2_pack(bytes));
}
static inline size_t martlet_h2_extension_bytes(const nghttp2_frame *frame) {
  return (size_t)martlet_h2_unpack(frame->ext.payload);
}
static inline uint64_t martlet_h2_source(const nghttp2_data_source *source) { return martlet_h2_unpack(source->ptr); }
