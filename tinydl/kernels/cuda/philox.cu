// Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a function from a counter of
// four words and a key of two to four random words. NumPy's generator of that name, and with it td.Generator, is this
// function of the counters k + 1, k + 2, ... ; tests hold every word against it.
//
// A stream's place is six words in the device's memory, `state`: the counter, lowest word first, and the key. Kernels
// read it when they run, so a captured graph draws other numbers when the state was changed in between.

// Word number i of the draw that begins at `state`.
__device__ inline Word random_word(const Word* state, long long i) {
    const Word block = i / 4 + 1;
    Word c0 = state[0] + block, c1 = state[1], c2 = state[2], c3 = state[3], k0 = state[4], k1 = state[5];
    if (c0 < block && ++c1 == 0 && ++c2 == 0) ++c3;
    for (int round = 0; round < 10; ++round) {
        const Word m0 = 0xD2E7470EE14C6C93ULL, m1 = 0xCA5A826395121157ULL;
        const Word high0 = __umul64hi(m0, c0), low0 = m0 * c0, high1 = __umul64hi(m1, c2), low1 = m1 * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B97F4A7C15ULL; // the golden ratio
        k1 += 0xBB67AE8584CAA73BULL; // the square root of 3, less 1
    }
    const int which = i % 4;
    return which < 2 ? (which == 0 ? c0 : c1) : (which == 2 ? c2 : c3);
}

// Number i of a draw of uniform numbers in [0, 1):  k / 2^24, two from each word, its low half first;
__device__ inline float uniform_number(const Word* state, long long i, float) {
    const Word word = random_word(state, i / 2);
    return (float)((unsigned)(i % 2 ? word >> 32 : word) >> 8) * (1.0f / 16777216.0f);
}

// and  k / 2^53, one from each word.
__device__ inline double uniform_number(const Word* state, long long i, double) {
    return (double)(random_word(state, i) >> 11) * (1.0 / 9007199254740992.0);
}

// The words of a draw as they are.
extern "C" __global__ void random_words(const Word* state, Word* out, int n) {
    EACH(i, n) out[i] = random_word(state, i);
}
