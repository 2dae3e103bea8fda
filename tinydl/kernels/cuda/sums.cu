// Sums over the rows of a tall matrix, as a tree: each thread adds up a piece of a column, PIECE numbers, and the sums
// are a matrix again, with fewer rows. After two or three launches there is one row. No thread waits for another, the
// order of the additions is always the same, and errors grow with the logarithm of the number of rows.

// out (pieces, c) from x (rows, c)
KERNEL(sum_rows)(const Real* x, Real* out, int count, int rows, int c) {
    EACH(t, count) {
        const int k = t % c, first = t / c * PIECE, last = min(first + PIECE, rows);
        Real sum = 0;
        for (int row = first; row < last; ++row) sum += x[(long long)row * c + k];
        out[t] = sum;
    }
}
