#include "cenvoyapi.h"

static const unsigned char bytes[] = {
#include "descriptors.inc"
};

const unsigned char *const martlet_descriptors = bytes;
const size_t martlet_descriptors_count = sizeof bytes;

static const char names[] =
#include "envoy_types.inc"
    ;

const char *const martlet_envoy_types = names;
