// Random numbers of a draw that begins at `state` (philox.cu), in the order of the draw.

KERNEL(uniform)(const Word* state, Real* out, int n) {
    EACH(i, n) out[i] = uniform_number(state, i, Real());
}

// Box and Muller (1958): the first half of the numbers are u, the second v, and out is sqrt(-2 log(1 - u)) times
// cos(2 pi v), then times sin(2 pi v). For an odd n the last sine is left out.
KERNEL(normal)(const Word* state, Real* out, int n) {
    const int pairs = n / 2 + n % 2;
    EACH(i, pairs) {
        const Real u = uniform_number(state, i, Real()), v = uniform_number(state, pairs + (long long)i, Real());
        const Real radius = sqrt(Real(-2) * log(Real(1) - u)), angle = Real(6.283185307179586) * v;
        out[i] = radius * cos(angle);
        if (pairs + i < n) out[pairs + i] = radius * sin(angle);
    }
}

// Dropout's mask: `scale` where the number of an element is p or more, else 0. Numbers are drawn in the order of
// N, C, ..., in single precision whatever the mask is; the mask (N, inner, c) lies in memory as images do.
KERNEL(dropout_mask)(const Word* state, Real* out, int count, int c, int inner, double p, double scale) {
    EACH(t, count) {
        const int k = t % c, place = t / c % inner, n = t / c / inner;
        const long long i = ((long long)n * c + k) * inner + place;
        out[t] = uniform_number(state, i, 0.0f) >= (float)p ? Real(scale) : Real(0);
    }
}
