"""Two things measured in turn, many times for a short while: what differs between neighbours is not the machine's mood."""

import math
import statistics


def in_turn(first, second, pairs):
    """Runs both so often, each as often before the other as after it. What they gave, pair by pair."""
    measured = []
    for n in range(pairs):
        if n % 2:
            b = second()
            measured.append((first(), b))
        else:
            measured.append((first(), second()))
    return measured


def median_within(values):
    """The median, and two of the values between which the true one lies with a probability of 95 % or more."""
    values, n = sorted(values), len(values)
    # Of n values k lie below the true median as often as k of n coins show heads.
    tail, k = 0.0, 0
    while k < n // 2 and tail + math.comb(n, k) / 2**n <= 0.025:
        tail += math.comb(n, k) / 2**n
        k += 1
    if k == 0:
        return statistics.median(values), -math.inf, math.inf
    return statistics.median(values), values[k - 1], values[n - k]


def difference(measured):
    """By how much the second of each pair is more than the first, as text."""
    middle, low, high = median_within([100 * (b / a - 1) for a, b in measured])
    return f"{middle:+.2f} % (95 %: {low:+.2f} to {high:+.2f}, {len(measured)} pairs)"
