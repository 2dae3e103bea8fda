// Enough of CUDA for a C++ compiler: the kernels' text becomes ordinary functions, which run all threads one after the
// other, the last one first. There are few threads, so that each of them goes around its loop several times.
#include <algorithm>
#include <cmath>

using namespace std;

#define __global__
#define __device__

struct Place {
    int x;
};
static Place threadIdx, blockIdx, blockDim = {2}, gridDim = {3};

#define EVERY_THREAD                                             \
    for (blockIdx.x = gridDim.x - 1; blockIdx.x >= 0; --blockIdx.x) \
        for (threadIdx.x = blockDim.x - 1; threadIdx.x >= 0; --threadIdx.x)

static unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned __int128)a * b >> 64;
}
