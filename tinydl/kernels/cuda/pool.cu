// Pooling: one number for each window of an image x (N, H, W, C). Windows may overlap and reach beyond the border.

// The largest element, the first of equal ones, and which it is: element (u, v) has the number u kw + v. NaN is larger
// than everything. A window with nothing but border has -inf and the number kh kw.
KERNEL(max_pool)
(const Real* x, Real* out, int* chosen, int count, int c, int h, int w, int oh, int ow, int kh, int kw, int sh, int sw,
 int ph, int pw, int dh, int dw) {
    EACH(t, count) {
        const int k = t % c, j = t / c % ow, i = t / c / ow % oh, n = t / c / ow / oh;
        Real best = log(Real(0)); // -inf
        int which = kh * kw;
        for (int u = 0; u < kh; ++u) {
            const int row = i * sh + u * dh - ph;
            if (row < 0 || row >= h) continue;
            for (int v = 0; v < kw; ++v) {
                const int col = j * sw + v * dw - pw;
                if (col < 0 || col >= w) continue;
                const Real value = x[(((long long)n * h + row) * w + col) * c + k];
                if (value > best || which == kh * kw || value != value) {
                    best = value;
                    which = u * kw + v;
                }
            }
        }
        out[t] = best;
        chosen[t] = which;
    }
}

// The chosen element of each window gets the window's g:
//
//     dx[n, y, z, c] = sum of g[n, i, j, c] over the windows i, j that chose the place y, z.
KERNEL(max_pool_gradient)
(const Real* g, const int* chosen, Real* dx, int count, int c, int h, int w, int oh, int ow, int kh, int kw, int sh,
 int sw, int ph, int pw, int dh, int dw) {
    EACH(t, count) {
        const int k = t % c, z = t / c % w, y = t / c / w % h, n = t / c / w / h;
        Real sum = 0;
        for (int u = 0; u < kh; ++u) {
            const int top = y + ph - u * dh;
            if (top < 0 || top % sh != 0 || top / sh >= oh) continue;
            for (int v = 0; v < kw; ++v) {
                const int left = z + pw - v * dw;
                if (left < 0 || left % sw != 0 || left / sw >= ow) continue;
                const long long at = (((long long)n * oh + top / sh) * ow + left / sw) * c + k;
                if (chosen[at] == u * kw + v) sum += g[at];
            }
        }
        dx[t] = sum;
    }
}

// The element of each window of x that max_pool chose in another image; 0 for a window with nothing but border.
KERNEL(max_pool_chosen)
(const Real* x, const int* chosen, Real* out, int count, int c, int h, int w, int oh, int ow, int kh, int kw, int sh,
 int sw, int ph, int pw, int dh, int dw) {
    EACH(t, count) {
        const int k = t % c, j = t / c % ow, i = t / c / ow % oh, n = t / c / ow / oh;
        const int which = chosen[t];
        const int row = i * sh + which / kw * dh - ph, col = j * sw + which % kw * dw - pw;
        out[t] = which < kh * kw ? x[(((long long)n * h + row) * w + col) * c + k] : Real(0);
    }
}

// The sum of each window; beyond the border there is 0. (Average pooling divides it.)
KERNEL(sum_pool)
(const Real* x, Real* out, int count, int c, int h, int w, int oh, int ow, int kh, int kw, int sh, int sw, int ph,
 int pw) {
    EACH(t, count) {
        const int k = t % c, j = t / c % ow, i = t / c / ow % oh, n = t / c / ow / oh;
        Real sum = 0;
        for (int u = 0; u < kh; ++u) {
            const int row = i * sh + u - ph;
            if (row < 0 || row >= h) continue;
            for (int v = 0; v < kw; ++v) {
                const int col = j * sw + v - pw;
                if (col >= 0 && col < w) sum += x[(((long long)n * h + row) * w + col) * c + k];
            }
        }
        out[t] = sum;
    }
}

// Every element of a window gets the window's g: dx is the sum of g over the windows that reach its place.
KERNEL(sum_pool_gradient)
(const Real* g, Real* dx, int count, int c, int h, int w, int oh, int ow, int kh, int kw, int sh, int sw, int ph,
 int pw) {
    EACH(t, count) {
        const int k = t % c, z = t / c % w, y = t / c / w % h, n = t / c / w / h;
        Real sum = 0;
        for (int u = 0; u < kh; ++u) {
            const int top = y + ph - u;
            if (top < 0 || top % sh != 0 || top / sh >= oh) continue;
            for (int v = 0; v < kw; ++v) {
                const int left = z + pw - v;
                if (left < 0 || left % sw != 0 || left / sw >= ow) continue;
                sum += g[(((long long)n * oh + top / sh) * ow + left / sw) * c + k];
            }
        }
        dx[t] = sum;
    }
}
