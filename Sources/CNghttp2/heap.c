// The heap behind `nghttp2_mem`: power-of-two classes on free lists, each object behind a header that names its class.

#include "cnghttp2.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  uint32_t class_index;
  uint32_t reserved;
  size_t bytes;
} header;

_Static_assert(sizeof(header) == 16, "objects keep malloc's alignment");

static uint32_t class_of(size_t size) {
  uint32_t index = 0;
  size_t capacity = MARTLET_H2_SMALLEST;
  while (capacity < size && index < MARTLET_H2_CLASSES) {
    capacity <<= 1;
    index++;
  }
  return index;
}

static size_t capacity_of(uint32_t index) { return (size_t)MARTLET_H2_SMALLEST << index; }

static void *take(size_t size, void *user) {
  martlet_h2_heap *heap = user;
  if (size > SIZE_MAX / 2) return NULL;
  uint32_t index = class_of(size);
  size_t bytes = index < MARTLET_H2_CLASSES ? capacity_of(index) : size;
  header *object;
  if (index < MARTLET_H2_CLASSES && heap->free[index] != NULL && !heap->separate) {
    object = heap->free[index];
    memcpy(&heap->free[index], object + 1, sizeof(void *));
    heap->kept[index]--;
  } else {
    heap->system_calls++;
    object = malloc(sizeof(header) + (heap->separate ? size : bytes));
    if (object == NULL) return NULL;
  }
  object->class_index = index;
  object->bytes = heap->separate ? size : bytes;
  heap->live += object->bytes;
  return object + 1;
}

static void give(void *pointer, void *user) {
  martlet_h2_heap *heap = user;
  if (pointer == NULL) return;
  header *object = (header *)pointer - 1;
  uint32_t index = object->class_index;
  heap->live -= object->bytes;
  if (heap->separate || index >= MARTLET_H2_CLASSES ||
      (size_t)(heap->kept[index] + 1) * capacity_of(index) > MARTLET_H2_KEPT_MAX) {
    free(object);
    return;
  }
  memcpy(pointer, &heap->free[index], sizeof(void *));
  heap->free[index] = object;
  heap->kept[index]++;
}

static void *take_zeroed(size_t count, size_t size, void *user) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
  void *pointer = take(bytes, user);
  if (pointer != NULL) memset(pointer, 0, bytes);
  return pointer;
}

static void *resize(void *pointer, size_t size, void *user) {
  if (pointer == NULL) return take(size, user);
  header *object = (header *)pointer - 1;
  if (size <= object->bytes) return pointer;
  void *larger = take(size, user);
  if (larger == NULL) return NULL;
  memcpy(larger, pointer, object->bytes);
  give(pointer, user);
  return larger;
}

martlet_h2_heap *martlet_h2_heap_new(int separate) {
  martlet_h2_heap *heap = calloc(1, sizeof *heap);
  if (heap == NULL) return NULL;
  heap->separate = separate;
  heap->interface = (nghttp2_mem){heap, take, give, take_zeroed, resize};
  return heap;
}

void martlet_h2_heap_delete(martlet_h2_heap *heap) {
  if (heap == NULL) return;
  for (int i = 0; i < MARTLET_H2_CLASSES; i++) {
    while (heap->free[i] != NULL) {
      header *object = heap->free[i];
      memcpy(&heap->free[i], object + 1, sizeof(void *));
      free(object);
    }
  }
  free(heap);
}
