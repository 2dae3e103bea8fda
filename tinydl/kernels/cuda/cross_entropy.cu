// Softmax cross-entropy of logits x (rows, c) and labels (rows,): one thread for each row.

// loss = log sum_j e^(x_j - m) - (x_label - m), with m the largest x_j;  0 for rows that do not count. A label that is
// no class gives NaN: nobody looks at labels while a captured graph runs.
KERNEL(cross_entropy)
(const Real* x, const long long* labels, const bool* counts, Real* loss, int rows, int c) {
    EACH(row, rows) {
        const Real* logits = x + (long long)row * c;
        Real largest = logits[0];
        for (int k = 1; k < c; ++k)
            if (logits[k] > largest || logits[k] != logits[k]) largest = logits[k];
        Real total = 0;
        for (int k = 0; k < c; ++k) total += exp(logits[k] - largest);
        const bool known = labels[row] >= 0 && labels[row] < c;
        loss[row] = !counts[row] ? Real(0) : known ? log(total) - (logits[labels[row]] - largest) : log(Real(-1));
    }
}

// dx_k = g (softmax(x)_k - [k = label]);  0 for rows that do not count.
KERNEL(cross_entropy_gradient)
(const Real* g, const Real* x, const long long* labels, const bool* counts, Real* dx, int rows, int c) {
    EACH(row, rows) {
        const Real* logits = x + (long long)row * c;
        Real* out = dx + (long long)row * c;
        Real largest = logits[0], total = 0;
        for (int k = 1; k < c; ++k)
            if (logits[k] > largest || logits[k] != logits[k]) largest = logits[k];
        for (int k = 0; k < c; ++k) total += exp(logits[k] - largest);
        const Real share = counts[row] ? g[row] : Real(0);
        for (int k = 0; k < c; ++k)
            out[k] = share * (exp(logits[k] - largest) / total - (k == labels[row] ? Real(1) : Real(0)));
    }
}
