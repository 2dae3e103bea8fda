// Batch normalisation of x (rows, c), each channel (column) by itself:  out = weight (x - m) / sqrt(v + eps) + bias.
//
// Mean m and variance v come from a tree (sums.cu) of partial results: the mean of a piece and its M = sum of
// (x - mean)^2. Two of them, of n_a and n_b numbers, become one (Chan, Golub and LeVeque, 1983):
//
//     d = mean_b - mean_a,   mean = mean_a + d n_b / n,   M = M_a + M_b + d^2 n_a n_b / n,   n = n_a + n_b

// moments (pieces, 2 c): of each piece of each channel the mean, and behind the means M
KERNEL(moments)(const Real* x, Real* moments, int count, int rows, int c) {
    EACH(t, count) {
        const int k = t % c, piece = t / c, first = piece * PIECE, last = min(first + PIECE, rows);
        const Real some = x[(long long)first * c + k]; // differences from it are small beside a large mean
        Real sum = 0, squares = 0;
        for (int row = first; row < last; ++row) sum += x[(long long)row * c + k] - some;
        const Real mean = some + sum / Real(last - first);
        for (int row = first; row < last; ++row) {
            const Real centred = x[(long long)row * c + k] - mean;
            squares += centred * centred;
        }
        moments[(long long)piece * 2 * c + k] = mean;
        moments[(long long)piece * 2 * c + c + k] = squares;
    }
}

// The same from `pieces` moments, each of `size` rows, the last of what is left of all `rows`.
KERNEL(merge_moments)(const Real* moments, Real* merged, int count, int pieces, int size, int rows, int c) {
    EACH(t, count) {
        const int k = t % c, group = t / c, first = group * PIECE, last = min(first + PIECE, pieces);
        const Real some = moments[(long long)first * 2 * c + k];
        Real mean = 0, squares = 0, n = 0; // the mean is counted from `some`
        for (int piece = first; piece < last; ++piece) {
            const Real more = min((long long)size, rows - (long long)piece * size);
            const Real d = moments[(long long)piece * 2 * c + k] - some - mean, share = more / (n + more);
            mean += d * share;
            squares += moments[(long long)piece * 2 * c + c + k] + d * d * n * share;
            n += more;
        }
        merged[(long long)group * 2 * c + k] = some + mean;
        merged[(long long)group * 2 * c + c + k] = squares;
    }
}

// mean and var (c,) from the moments of all rows
KERNEL(mean_and_variance)(const Real* moments, Real* mean, Real* var, int c, int rows) {
    EACH(k, c) {
        mean[k] = moments[k];
        var[k] = moments[c + k] / Real(rows);
    }
}

KERNEL(batch_norm)
(const Real* x, const Real* mean, const Real* var, const Real* weight, const Real* bias, Real* out, int count, int c,
 double eps) {
    EACH(t, count) {
        const int k = t % c;
        const Real scale = (weight ? weight[k] : Real(1)) / sqrt(var[k] + Real(eps));
        out[t] = (x[t] - mean[k]) * scale + (bias ? bias[k] : Real(0));
    }
}

// Of each piece of each channel the sum of g, and behind these the sum of g x^: sums (pieces, 2 c).
KERNEL(norm_sums)
(const Real* g, const Real* x, const Real* mean, const Real* var, Real* sums, int count, int rows, int c, double eps) {
    EACH(t, count) {
        const int k = t % c, piece = t / c, first = piece * PIECE, last = min(first + PIECE, rows);
        Real sum = 0, along = 0;
        for (int row = first; row < last; ++row) {
            const long long at = (long long)row * c + k;
            sum += g[at];
            along += g[at] * (x[at] - mean[k]);
        }
        sums[(long long)piece * 2 * c + k] = sum;
        sums[(long long)piece * 2 * c + c + k] = along / sqrt(var[k] + Real(eps));
    }
}

// dx = weight r (g - sum(g) / rows - x^ sum(g x^) / rows),  r = 1 / sqrt(v + eps),  from sums (2 c) over all rows
KERNEL(batch_norm_gradient)
(const Real* g, const Real* x, const Real* mean, const Real* var, const Real* weight, const Real* sums, Real* dx,
 int count, int rows, int c, double eps) {
    EACH(t, count) {
        const int k = t % c;
        const Real r = 1 / sqrt(var[k] + Real(eps)), x_hat = (x[t] - mean[k]) * r;
        const Real rest = g[t] - sums[k] / Real(rows) - x_hat * (sums[c + k] / Real(rows));
        dx[t] = rest * (weight ? weight[k] * r : r);
    }
}
