"""exp for the kernels: a polynomial that the compiler can turn into SIMD instructions.

The library's exp is one call a number, which stops vectorisation: a sigmoid of (100, 1000)
took 218 µs with it and 18 µs with the polynomial. float64 is the type of gradient checks, where
the last bit matters more than speed, so there the library's stays.
"""

import numpy as np

from minnet.kernels.compiling import inline

LOG2_E = np.float32(1.44269504)
LN2_HIGH = np.float32(0.693359375)  # ln 2 in two parts: k * LN2_HIGH is exact for every k met here
LN2_LOW = np.float32(-2.12194440e-4)
HALF = np.float32(0.5)
ONE = np.float32(1.0)
# (exp(r) - 1 - r) / r² on |r| <= ln(2)/2, highest power first: the coefficients of Cephes' expf.
C5 = np.float32(1.9875691500e-4)
C4 = np.float32(1.3981999507e-3)
C3 = np.float32(8.3334519073e-3)
C2 = np.float32(4.1665795894e-2)
C1 = np.float32(1.6666665459e-1)
C0 = np.float32(5.0000001201e-1)
LOWEST = np.float32(-87.3)
HIGHEST = np.float32(88.3)
BIAS = np.int32(127)
MANTISSA_BITS = np.int32(23)
NOTHING = np.float32(0.0)
INFINITE = np.float32(np.inf)


@inline
def exp_float32(x: np.float32) -> np.float32:
    """exp(x) = 2^k exp(r), k = round(x / ln 2), r = x - k ln 2; relative error below 2e-7.

    Below -87.3 the result is 0, above 88.3 it is infinite; NaN passes through.
    """
    inside = LOWEST if x < LOWEST else x
    inside = HIGHEST if inside > HIGHEST else inside
    k = np.floor(inside * LOG2_E + HALF)
    r = inside - k * LN2_HIGH - k * LN2_LOW
    p = ((((C5 * r + C4) * r + C3) * r + C2) * r + C1) * r + C0
    two_to_the_k = np.int32((np.int32(k) + BIAS) << MANTISSA_BITS).view(np.float32)
    result = (p * r * r + r + ONE) * two_to_the_k
    if x < LOWEST:
        result = NOTHING
    if x > HIGHEST:
        result = INFINITE
    return result


exp = inline(float32=exp_float32, float64=np.exp)
