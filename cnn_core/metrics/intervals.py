"""The confidence interval of a proportion, and the significance level.

The interval is computed by hand, because importing scipy.stats takes about 1 s; a test compares it with scipy's.
"""

from math import sqrt
from statistics import NormalDist

SIGNIFICANCE = 0.05  # a difference with a smaller p is called significant (R. A. Fisher, 1925)


def wilson_interval(hits: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of the proportion `hits` / `count`, both ends in 0..1 (E. B. Wilson, 1927); (0, 1) if count is 0.

    Unlike the normal approximation, it is valid near 0 and 1.
    """
    if not count:
        return 0.0, 1.0
    proportion, z = hits / count, NormalDist().inv_cdf((1 + confidence) / 2)
    spread = z * sqrt(proportion * (1 - proportion) / count + z * z / (4 * count * count))
    centre, scale = proportion + z * z / (2 * count), 1 + z * z / count
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return (0.0 if hits == 0 else low), (1.0 if hits == count else high)
