"""One step of each cell in float64 numpy, in the notation of the paper that describes it.

Every matrix belongs to one gate and multiplies column vectors, as in the papers: `W x + U h + b`.
`gates` cuts the packed params of rnnjax into these by the documented order of the gates.
"""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def gates(params, order):
    """`{gate: (W, U, b)}` from params packed in `order`."""
    num = len(order)
    w, u = (np.split(matrix.T, num) for matrix in (params.w_ih, params.w_hh))
    return dict(zip(order, zip(w, u, np.split(params.b, num), strict=True), strict=True))


def elman(params, h, x, f=np.tanh):
    """Elman 1990; with f = ReLU, Le et al. 2015."""
    w, u, b = gates(params, "h")["h"]
    h = f(w @ x + u @ h + b)
    return h, h


def gru_cho(params, h, x):
    """Cho et al. 2014, equations 5-8: the reset gate acts on the state, z keeps the old state."""
    p = gates(params, "rzn")
    r = sigmoid(p["r"][0] @ x + p["r"][1] @ h + p["r"][2])
    z = sigmoid(p["z"][0] @ x + p["z"][1] @ h + p["z"][2])
    candidate = np.tanh(p["n"][0] @ x + p["n"][1] @ (r * h) + p["n"][2])
    h = z * h + (1 - z) * candidate
    return h, h


def gru_cudnn(params, h, x):
    """The cuDNN manual: the reset gate acts on U h plus a bias of its own."""
    p = gates(params, "rzn")
    r = sigmoid(p["r"][0] @ x + p["r"][1] @ h + p["r"][2])
    z = sigmoid(p["z"][0] @ x + p["z"][1] @ h + p["z"][2])
    candidate = np.tanh(p["n"][0] @ x + r * (p["n"][1] @ h + params.b_hn) + p["n"][2])
    h = (1 - z) * candidate + z * h
    return h, h


def gru_simplified(params, h, x):
    """An update gate alone; the candidate reads the old state whole."""
    p = gates(params, "zn")
    z = sigmoid(p["z"][0] @ x + p["z"][1] @ h + p["z"][2])
    candidate = np.tanh(p["n"][0] @ x + p["n"][1] @ h + p["n"][2])
    h = (1 - z) * candidate + z * h
    return h, h


def layer_norm(a, gain, bias, epsilon=1e-6):
    """Ba et al. 2016, equation 15 of the supplement, over the whole vector."""
    return (a - np.mean(a)) / np.sqrt(np.var(a) + epsilon) * gain + bias


def lstm(params, carry, x, order="ifgo", f_of=None):
    """Gers et al. 2000, with what the params have besides.

    Peepholes: Gers & Schmidhuber 2000, where the gates see the cell, the output gate its new state.
    Layer normalisation: Ba et al. 2016, equations 20-22 of the supplement. Projection: Sak et al.
    2014, equations 1-6, where r_t = W_rm m_t is what recurs and what is put out. Without a forget
    gate in the order, `f_of` is the forget gate as a function of the input gate.
    """
    c, h = carry
    norms, see = params.norms, dict.fromkeys("ifo", 0)
    read, recurrent = params.w_ih.T @ x, params.w_hh.T @ h
    if norms is not None:
        read = layer_norm(read, norms.gain_ih, 0)
        recurrent = layer_norm(recurrent, norms.gain_hh, 0)
    if params.w_peep is not None:
        see |= dict(zip(order.replace("g", ""), params.w_peep, strict=True))
    p = dict(zip(order, np.split(read + recurrent + params.b, len(order)), strict=True))
    i = sigmoid(p["i"] + see["i"] * c)
    f = f_of(i) if f_of else sigmoid(p["f"] + see["f"] * c)
    c = f * c + i * np.tanh(p["g"])
    seen = c if norms is None else layer_norm(c, norms.gain_c, norms.bias_c)
    h = sigmoid(p["o"] + see["o"] * c) * np.tanh(seen)
    h = h if params.w_hr is None else params.w_hr.T @ h
    return (c, h), h


def lstm_1997(params, carry, x):
    """Hochreiter & Schmidhuber 1997: the state of the cell is only added to."""
    return lstm(params, carry, x, "igo", lambda i: 1)


def lstm_coupled(params, carry, x):
    """Greff et al. 2017, CIFG: f = 1 - i."""
    return lstm(params, carry, x, "igo", lambda i: 1 - i)


def zoneout_lstm(params, carry, x, rate_h=0.3, rate_c=0.6):
    """Krueger et al. 2017, section 3, at test time: the expectation of keeping the old value."""
    c_old, h_old = carry
    (c, h), _ = lstm(params, carry, x)
    c, h = rate_c * c_old + (1 - rate_c) * c, rate_h * h_old + (1 - rate_h) * h
    return (c, h), h


def zoneout_gru(params, h, x, rate=0.4):
    h_new, _ = gru_cudnn(params, h, x)
    h = rate * h + (1 - rate) * h_new
    return h, h


def indrnn(params, h, x):
    """Li et al. 2018, equation 3: the recurrent weight of a unit is a number."""
    h = np.maximum(params.w_ih.T @ x + params.w_hh * h + params.b, 0)
    return h, h


def mingru(params, h, x):
    """Feng et al. 2024, section 3.1; their z is what is taken from the candidate."""
    a_z, a_n = np.split(params.w_ih.T @ x + params.b, 2)
    z_paper = 1 - sigmoid(a_z)
    h = (1 - z_paper) * h + z_paper * a_n
    return h, h


def minlstm(params, h, x):
    """Feng et al. 2024, section 3.2, with gates that sum to one."""
    a_i, a_f, a_g = np.split(params.w_ih.T @ x + params.b, 3)
    i, f = sigmoid(a_i), sigmoid(a_f)
    h = f / (f + i) * h + i / (f + i) * a_g
    return h, h


def rg_lru(params, h, x):
    """De et al. 2024, equations 1-4, on the output of a linear layer."""
    v = params.w_ih.T @ x
    a_r, a_i = np.split(params.w_gates.T @ v + params.b, 2)
    a = sigmoid(params.decay) ** (8 * sigmoid(a_r))
    h = a * h + np.sqrt(1 - a**2) * (sigmoid(a_i) * v)
    return h, h


def lru(params, carry, x):
    """Orvieto et al. 2023, equations 6-8: B and C complex, the state a complex vector."""
    h = np.array_split(carry, 2)[0] + 1j * np.array_split(carry, 2)[1]
    b_real, b_imaginary = np.split(params.w_b.T, 2)
    c_real, c_imaginary = np.split(params.w_c.T, 2, axis=1)
    eigenvalues = np.exp(-np.exp(params.log_decay) + 1j * np.exp(params.log_phase))
    h = eigenvalues * h + np.exp(params.log_scale) * ((b_real + 1j * b_imaginary) @ x)
    y = ((c_real - 1j * c_imaginary) @ h).real + params.w_d.T @ x
    return np.concatenate([h.real, h.imag]), y


def slstm(params, carry, x):
    """Beck et al. 2024, equations 8-14, on the state itself; m only says what it is divided by."""
    p = gates(params, "ifzo")
    a = {gate: w @ x + u @ carry.h + b for gate, (w, u, b) in p.items()}
    f = sigmoid(a["f"])
    c = f * carry.c * np.exp(carry.m) + np.exp(a["i"]) * np.tanh(a["z"])
    n = f * carry.n * np.exp(carry.m) + np.exp(a["i"])
    h = sigmoid(a["o"]) * c / n
    m = np.log(np.maximum(f * np.exp(carry.m), np.exp(a["i"])))
    return type(carry)(c * np.exp(-m), n * np.exp(-m), m, h), h


def mlstm(params, carry, x):
    """Beck et al. 2024, equations 19-27, a head at a time and on the state itself."""
    a = params.w_ih.T @ x + params.b
    heads, _, size = carry.c.shape
    q, k, v, a_o = a[: 4 * heads * size].reshape(4, heads, size)
    a_i, a_f = a[4 * heads * size :].reshape(2, heads)
    states, ys = [], []
    for n in range(heads):
        i, f = np.exp(a_i[n]), sigmoid(a_f[n])
        key = k[n] / np.sqrt(size)
        c = f * carry.c[n, :-1] * np.exp(carry.m[n]) + i * np.outer(v[n], key)
        normaliser = f * carry.c[n, -1] * np.exp(carry.m[n]) + i * key
        ys.append(sigmoid(a_o[n]) * (c @ q[n]) / max(abs(normaliser @ q[n]), 1))
        m = np.log(max(f * np.exp(carry.m[n]), i))
        states.append((np.vstack([c, normaliser]) * np.exp(-m), m))
    return type(carry)(*map(np.stack, zip(*states, strict=True))), np.concatenate(ys)


def mogrifier(params, carry, x):
    """Melis et al. 2020, equations 1 and 2, then the LSTM."""
    c, h = carry
    for n, w in enumerate(params.gates, 1):
        if n % 2:
            x = 2 * sigmoid(w.T @ h) * x
        else:
            h = 2 * sigmoid(w.T @ x) * h
    return lstm(params.lstm, (c, h), x)


def silu(a):
    return a * sigmoid(a)


def mgu(params, h, x):
    """Zhou et al. 2016, equations 6 a to c: one gate for what is forgotten and what is read."""
    p = gates(params, "fh")
    f = sigmoid(p["f"][0] @ x + p["f"][1] @ h + p["f"][2])
    candidate = np.tanh(p["h"][0] @ x + p["h"][1] @ (f * h) + p["h"][2])
    h = (1 - f) * h + f * candidate
    return h, h


def sru(params, c, x):
    """Lei et al. 2018, equations 1 to 4, where x is as wide as the state."""
    w_f, w_r, w = np.split(params.w_ih.T, 3)
    (v_f, v_r), (b_f, b_r) = np.split(params.v, 2), np.split(params.b, 2)
    f = sigmoid(w_f @ x + v_f * c + b_f)
    r = sigmoid(w_r @ x + v_r * c + b_r)
    c = f * c + (1 - f) * (w @ x)
    return c, r * c + (1 - r) * x


def delayed(owed, parts):
    """A step of a convolution: `parts[j]` counts j steps later, `owed[j]` is what stands there."""
    later = [*owed, np.zeros_like(owed[0])]
    now, *rest = [before + part for before, part in zip(later, parts, strict=True)]
    return now, np.stack(rest)


def qrnn(params, carry, x):
    """Bradbury et al. 2017, equations 1 and 5: convolutions of three steps, then fo-pooling."""
    gates_now, *gates_later = np.split(params.w_ih.T @ x, 3)
    a, owed = delayed(carry.owed, [gates_now, *gates_later])
    z, f, o = np.split(a + params.b, 3)
    c = sigmoid(f) * carry.c + (1 - sigmoid(f)) * np.tanh(z)
    return type(carry)(c, owed), sigmoid(o) * c


def s5(params, carry, x):
    """Smith et al. 2023, equations 1, 5 and 6: zero-order hold, and both of each conjugate pair."""
    n = len(params.log_step)
    eigenvalues = -np.exp(params.log_decay) + 1j * params.frequency
    both = np.concatenate([eigenvalues, eigenvalues.conj()])
    steps = np.tile(np.exp(params.log_step), 2)
    b = (params.w_b[:, :n] + 1j * params.w_b[:, n:]).T
    c = (params.w_c[:n] - 1j * params.w_c[n:]).T
    half = carry[:n] + 1j * carry[n:]
    h = np.concatenate([half, half.conj()])
    held = np.linalg.inv(np.diag(both)) @ (np.diag(np.exp(both * steps)) - np.eye(2 * n))
    h = np.exp(both * steps) * h + held @ np.concatenate([b, b.conj()]) @ x
    y = np.concatenate([c, c.conj()], axis=1) @ h + params.w_d.T @ x
    return np.concatenate([h[:n].real, h[:n].imag]), y.real


def mamba2(params, carry, x):
    """Dao & Gu 2024, a head at a time: the state space of equation 1 with a scalar A."""
    (heads, size, n), width = carry.c.shape, len(params.scale)
    z, xbc, a = np.split(params.w_ih.T @ x, [width, 2 * width + 2 * n])
    conv, owed = delayed(carry.owed, [tap * xbc for tap in params.taps])
    channels, b, c = np.split(silu(conv + params.b_taps), [width, width + n])
    states, ys = [], []
    for m in range(heads):
        inputs = channels[m * size : (m + 1) * size]
        dt = np.log1p(np.exp(a[m] + params.b_dt[m]))
        decay = np.exp(-np.exp(params.log_a[m]) * dt)
        states.append(decay * carry.c[m] + np.outer(dt * inputs, b))
        ys.append(states[-1] @ c + params.skip[m] * inputs)
    y = np.concatenate(ys) * silu(z)
    y = y / np.sqrt(np.mean(y**2) + 1e-5) * params.scale
    return type(carry)(np.stack(states), owed), y


def gated_deltanet(params, carry, x):
    """Yang et al. 2024, equation 10, a head at a time, with the matrix I - beta k k^T itself."""
    (heads, size, _), width = carry.c.shape, params.taps.shape[1] // 3
    qkv, z, a, b = np.split(params.w_ih.T @ x, [3 * width, 4 * width, 4 * width + heads])
    conv, owed = delayed(carry.owed, [tap * qkv for tap in params.taps])
    parts = [*silu(conv).reshape(3, heads, size), z.reshape(heads, size)]
    memories, ys = [], []
    for m, (q, k, v, gate) in enumerate(zip(*parts, strict=True)):
        q = q / np.sqrt(q @ q + 1e-6) / np.sqrt(size)
        k = k / np.sqrt(k @ k + 1e-6)
        alpha = np.exp(-np.exp(params.log_a[m]) * np.log1p(np.exp(a[m] + params.b_dt[m])))
        beta = sigmoid(b[m])
        erased = alpha * (np.eye(size) - beta * np.outer(k, k))
        memories.append(carry.c[m] @ erased + beta * np.outer(v, k))
        y = memories[-1] @ q
        ys.append(y / np.sqrt(np.mean(y**2) + 1e-5) * params.scale * silu(gate))
    return type(carry)(np.stack(memories), owed), np.concatenate(ys)


def fast_weights(params, carry, x, rounds=2, lam=0.95, eta=0.5):
    """Ba et al. 2016, equations 1, 2 and 5, with f = ReLU."""
    slow = params.w_hh.T @ carry.h + params.w_ih.T @ x
    h = np.maximum(slow + params.b, 0)
    for _ in range(rounds):
        h = np.maximum(layer_norm(slow + carry.a @ h, params.gain, params.b), 0)
    return type(carry)(h, lam * carry.a + eta * np.outer(h, h)), h


def residual_block(params, carry, x):
    """De et al. 2024, figure 2 a, with SwiGLU: Shazeer 2020, equation 6."""
    ((scale, inner), (scale_mlp, mlp)), ((_, h), nothing) = params, carry
    h, y = gru_cudnn(inner, h, x / np.sqrt(np.mean(x**2) + 1e-5) * scale)
    z = x + y
    gate, value = np.split(mlp.w_in.T @ (z / np.sqrt(np.mean(z**2) + 1e-5) * scale_mlp), 2)
    return (((), h), nothing), z + mlp.w_out.T @ (silu(gate) * value)


STEPS = {
    "residual_block": residual_block,
    "fast_weights": fast_weights,
    "gated_deltanet": gated_deltanet,
    "mamba2": mamba2,
    "mgu": mgu,
    "qrnn": qrnn,
    "s5": s5,
    "sru": sru,
    "indrnn": indrnn,
    "lru": lru,
    "mingru": mingru,
    "minlstm": minlstm,
    "mlstm": mlstm,
    "mogrifier": mogrifier,
    "slstm": slstm,
    "rg_lru": rg_lru,
    "rnn": elman,
    "irnn": lambda params, h, x: elman(params, h, x, f=lambda a: np.maximum(a, 0)),
    "gru": gru_cudnn,
    "gru_reset_before": gru_cho,
    "gru_simplified": gru_simplified,
    "lstm": lstm,
    "lstm_1997": lstm_1997,
    "lstm_coupled": lstm_coupled,
    "lstm_peepholes": lstm,
    "lstm_projection": lstm,
    "lstm_layer_norm": lstm,
    "lstm_stochastic": lstm,
    "lstm_everything": lstm_coupled,
    "zoneout": zoneout_lstm,
    "zoneout_gru": zoneout_gru,
}
"""By the names of the zoo. The stochastic gates are those of `lstm` where no key is given."""


def run(step, params, carry, xs):
    """`xs [T, D]` through a step: `(carry, ys [T, H])`."""
    ys = []
    for x in xs:
        carry, y = step(params, carry, x)
        ys.append(y)
    return carry, np.stack(ys)
