"""The filters against the equations of the paper, in float64, pixel by pixel."""

import jax
import numpy as np

from rnnjax.tasks.draw import attention


def filters_by_hand(g_x, g_y, delta, variance, n, a_size, b_size):
    """F_X and F_Y, pixel by pixel; pixels and filters are counted from 1."""
    f_x, f_y = np.zeros((n, a_size)), np.zeros((n, b_size))
    for i in range(1, n + 1):
        mu_x = g_x + (i - n / 2 - 0.5) * delta
        mu_y = g_y + (i - n / 2 - 0.5) * delta
        for a in range(1, a_size + 1):
            f_x[i - 1, a - 1] = np.exp(-((a - mu_x) ** 2) / (2 * variance))
        for b in range(1, b_size + 1):
            f_y[i - 1, b - 1] = np.exp(-((b - mu_y) ** 2) / (2 * variance))
        f_x[i - 1] /= f_x[i - 1].sum()
        f_y[i - 1] /= f_y[i - 1].sum()
    return f_x, f_y


def test_reading_and_writing_follow_the_equations_of_the_paper():
    n, b_size, a_size = 3, 6, 9
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(2, 5)) * 0.4
    images, patch = rng.normal(size=(2, 2, b_size, a_size)), rng.normal(size=(2, n, n))
    with jax.enable_x64(True):
        at = attention.window(numbers, n, b_size, a_size)
        seen = np.asarray(attention.read_patch(images, at, n))
        written = np.asarray(attention.write_patch(patch, at, b_size, a_size))
    assert seen.dtype == np.float64
    for row, (x, y, log_variance, log_delta, log_gamma) in enumerate(numbers):
        g_x, g_y = (a_size + 1) / 2 * (x + 1), (b_size + 1) / 2 * (y + 1)
        delta = (max(a_size, b_size) - 1) / (n - 1) * np.exp(log_delta)
        variance, gamma = np.exp(log_variance), np.exp(log_gamma)
        f_x, f_y = filters_by_hand(g_x, g_y, delta, variance, n, a_size, b_size)
        for channel in range(2):
            expected = gamma * f_y @ images[row, channel] @ f_x.T
            np.testing.assert_allclose(seen[row, channel], expected, rtol=1e-12)
        np.testing.assert_allclose(written[row], f_y.T @ patch[row] @ f_x / gamma, rtol=1e-12)


def test_zeros_cover_the_image_and_sharp_filters_read_its_corners():
    image = np.arange(35.0).reshape(1, 1, 5, 7)
    with jax.enable_x64(True):
        at = attention.window(np.array([[0, 0, -20.0, 0, 0]]), 2, 5, 7)
        seen = attention.read_patch(image, at, 2)[0, 0]
    # The stride is that of the longer side: above and below, the filters are off the image.
    np.testing.assert_allclose(seen, [[0, 6], [28, 34]])


def test_a_window_far_from_the_image_has_finite_gradients():
    def total(numbers):
        at = attention.window(numbers, 3, 8, 8)
        return attention.read_patch(np.ones((1, 2, 8, 8)), at, 3).sum()

    far = np.array([[80.0, -80, -6, 0, 0]], np.float32)
    value, gradient = jax.jit(jax.value_and_grad(total))(far)
    np.testing.assert_allclose(value, 18, rtol=1e-5)  # Each filter sums to 1, wherever it is.
    assert np.isfinite(gradient).all()
