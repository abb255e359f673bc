#pragma once
#include <stdint.h>
#include "cmartlet_atomics.h"
