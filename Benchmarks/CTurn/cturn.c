// The functions are in Benchmarks/Turn (Swift, @_cdecl).
#include "cturn.h"
