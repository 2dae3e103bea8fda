// Convolution as a product of matrices. A window has kh x kw places, s apart, and each place of it is d from the next:
//
//     columns[n, i, j, u, v, c] = x[n, i s + u d - p, j s + v d - p, c],   0 beyond the border.
//
// In memory columns is a matrix with a row for each (n, i, j) and a column for each (u, v, c). With groups of channels
// there is one such matrix for each group, one after the other.

KERNEL(im2col)
(const Real* x, Real* columns, int count, int c, int h, int w, int oh, int ow, int kh, int kw, int sh, int sw, int ph,
 int pw, int dh, int dw, int images, int groups) {
    const int depth = c / groups;
    EACH(t, count) {
        int rest = t;
        const int k = rest % depth;
        rest /= depth;
        const int v = rest % kw;
        rest /= kw;
        const int u = rest % kh;
        rest /= kh;
        const int j = rest % ow;
        rest /= ow;
        const int i = rest % oh;
        rest /= oh;
        const int n = rest % images;
        const int group = rest / images;
        const int row = i * sh + u * dh - ph, col = j * sw + v * dw - pw;
        const bool inside = row >= 0 && row < h && col >= 0 && col < w;
        columns[t] = inside ? x[(((long long)n * h + row) * w + col) * c + group * depth + k] : Real(0);
    }
}

// The adjoint: every number of columns is added where im2col read it. One thread gathers all that belongs to its place:
//
//     x[n, y, z, c] = sum over the u, v for which  i = (y + p - u d) / s  and  j = (z + p - v d) / s  are places.
KERNEL(col2im)
(const Real* columns, Real* x, int count, int c, int h, int w, int oh, int ow, int kh, int kw, int sh, int sw, int ph,
 int pw, int dh, int dw, int images, int groups) {
    const int depth = c / groups;
    EACH(t, count) {
        const int k = t % c, z = t / c % w, y = t / c / w % h, n = t / c / w / h;
        const int group = k / depth;
        Real sum = 0;
        for (int u = 0; u < kh; ++u) {
            const int top = y + ph - u * dh;
            if (top < 0 || top % sh != 0 || top / sh >= oh) continue;
            for (int v = 0; v < kw; ++v) {
                const int left = z + pw - v * dw;
                if (left < 0 || left % sw != 0 || left / sw >= ow) continue;
                const long long row = (((long long)group * images + n) * oh + top / sh) * ow + left / sw;
                sum += columns[((row * kh + u) * kw + v) * depth + k % depth];
            }
        }
        x[t] = sum;
    }
}
