"""How far a share that was counted on some images may lie from the one on all images of that kind, and what is called evidence."""

from math import sqrt
from statistics import NormalDist

EVIDENCE = 0.05  # a smaller p is called evidence, of networks as of groups of runs (R. A. Fisher, 1925)


def wilson_interval(hits: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval of a share `hits` / `count`, both ends in 0..1 (E. B. Wilson, 1927); (0, 1) without anything counted.

    `confidence`: of all such intervals, the share that holds the true value. Unlike the normal approximation it is sound near 0 and 1.
    """
    if not count:
        return 0.0, 1.0
    share, z = hits / count, NormalDist().inv_cdf((1 + confidence) / 2)
    spread = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    centre, scale = share + z * z / (2 * count), 1 + z * z / count
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return (0.0 if hits == 0 else low), (1.0 if hits == count else high)
