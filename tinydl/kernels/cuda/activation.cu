// Bias and activation in one pass over x (rows, c), and both of their gradients.

#ifndef KINDS
#define KINDS
enum Kind { NONE, RELU, LEAKY_RELU, SIGMOID, TANH }; // activation.py counts them, too
#endif

__device__ inline Real activate(Real z, int kind, Real slope) {
    switch (kind) {
    case RELU: return z > 0 || z != z ? z : Real(0);
    case LEAKY_RELU: return z > 0 ? z : slope * z;
    case SIGMOID: {
        const Real small = exp(z < 0 ? z : -z); // in (0, 1]: no overflow, and all digits where the result is near 0
        return (z < 0 ? small : Real(1)) / (1 + small);
    }
    case TANH: return tanh(z);
    default: return z;
    }
}

// The derivative of y = activate(z), by y.
__device__ inline Real slope_at(Real y, int kind, Real slope) {
    switch (kind) {
    case RELU: return y > 0 ? Real(1) : Real(0);
    case LEAKY_RELU: return y > 0 ? Real(1) : slope;
    case SIGMOID: return y * (1 - y);
    case TANH: return 1 - y * y;
    default: return Real(1);
    }
}

// out = activate(x + bias), with the bias of each column (none: 0). out may be x.
KERNEL(bias_activation)(const Real* x, const Real* bias, Real* out, int count, int c, int kind, double slope) {
    EACH(t, count) out[t] = activate(bias ? x[t] + bias[t % c] : x[t], kind, Real(slope));
}

// dx = g activate'(z), from y = activate(z). dx may be g. Its sum over the rows (sums.cu) is the bias's gradient.
KERNEL(activation_gradient)(const Real* g, const Real* y, Real* dx, int count, int kind, double slope) {
    EACH(t, count) dx[t] = g[t] * slope_at(y[t], kind, Real(slope));
}
