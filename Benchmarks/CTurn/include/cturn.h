// The turn benchmark's door. C, because the benchmark package's own C module declares io_uring from other headers than
// liburing's: who imports the one cannot import the other.

#pragma once

// A ring and `pairs` connected socket pairs; NULL when the kernel refuses.
void *martlet_turn_make(int pairs);
// One turn that finds nothing to do but an operation that completes at once.
void martlet_turn_idle(void *bench);
// One message of 256 bytes into each of the pairs, and turns until all are received and sent back (the kernel brings about
// 20 receives a turn). The number that came back whole.
int martlet_turn_echo(void *bench);
void martlet_turn_destroy(void *bench);
