// What all kernels share. The files of this folder are joined to one program by source.py: each of those that say
// `Real` twice, once for float and once for double.
//
// Images lie in memory as N, H, W, C: all channels of a place side by side. No kernel waits for another thread, and
// each number of a result is computed by one thread, in one order. So results do not depend on the number of
// threads, and a test can run the same text on a CPU, thread by thread (tests/kernels/cuda/host.h).

typedef unsigned long long Word; // 64 bits

#ifndef EVERY_THREAD
#define EVERY_THREAD
#endif

// The element i of 0 ... n - 1 that belong to this thread: with T threads, thread t does t, t + T, t + 2 T, ...
#define EACH(i, n)                                                                                                 \
    EVERY_THREAD                                                                                                   \
    for (long long i##_ = (long long)blockIdx.x * blockDim.x + threadIdx.x; i##_ < (n);                            \
         i##_ += (long long)gridDim.x * blockDim.x)                                                                \
        if (const int i = (int)i##_; true)

// A row of a tall matrix that sums are taken over, in pieces of so many numbers: the leaves of a tree of sums. norm.py knows it, too.
#define PIECE 64
