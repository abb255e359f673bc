#define _GNU_SOURCE
#include "cliburing.h"

int martlet_accept(int socket) { return accept4(socket, NULL, NULL, SOCK_CLOEXEC); }
