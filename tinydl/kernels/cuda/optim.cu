// One step of an optimiser for n parameters that lie side by side, in place. Learning rate and number of the step
// (from 1) are read from the device's memory when the kernel runs, so a captured graph may be replayed with others:
// `lr` points to one double, `step` to one 64-bit integer. The formulas and their order are those of tinydl/optim.

// v = momentum v + g,  p = p - lr v,  or with `nesterov`  p = p - lr (g + momentum v);  g = grad + weight_decay p.
// Without momentum `velocity` is neither read nor written.
KERNEL(sgd)
(Real* p, const Real* grad, Real* velocity, const double* lr, int n, double momentum, int nesterov,
 double weight_decay) {
    EACH(i, n) {
        Real g = grad[i];
        if (weight_decay != 0) g += Real(weight_decay) * p[i];
        if (momentum != 0) {
            const Real v = Real(momentum) * velocity[i] + g;
            velocity[i] = v;
            g = nesterov ? g + Real(momentum) * v : v;
        }
        p[i] -= Real(*lr) * g;
    }
}

// m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,  p = p - lr  m / (1 - b1^t)  /  (sqrt(v / (1 - b2^t)) + eps);
// g = grad + weight_decay p,  or with `decoupled` (AdamW)  p = p - lr weight_decay p  before all else, and g = grad.
KERNEL(adam)
(Real* p, const Real* grad, Real* mean, Real* square, const double* lr, const long long* step, int n, double b1,
 double b2, double eps, double weight_decay, int decoupled) {
    const double t = (double)*step;
    const Real rate = Real(*lr / (1.0 - pow(b1, t))), root = Real(sqrt(1.0 - pow(b2, t)));
    EACH(i, n) {
        Real g = grad[i], value = p[i];
        if (decoupled)
            value *= Real(1.0 - *lr * weight_decay);
        else if (weight_decay != 0)
            g += Real(weight_decay) * value;
        const Real m = Real(b1) * mean[i] + Real(1.0 - b1) * g;
        const Real v = Real(b2) * square[i] + Real(1.0 - b2) * g * g;
        mean[i] = m;
        square[i] = v;
        p[i] = value - rate * (m / (sqrt(v) / root + Real(eps)));
    }
}
