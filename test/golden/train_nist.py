"""The ill-conditioned linear least squares problems of NIST's Statistical Reference Datasets.

Writes the data (train_longley.csv, train_wampler.csv, train_filip.csv) and train_nist.csv: coefficients and standard
errors calculated here with rational numbers from the decimal data, so that all their digits are right; they agree with
the 15 digits that NIST certifies (https://www.itl.nist.gov/div898/strd/).  `digits_of_r` is the least number of right
digits over the coefficients of R's lm on the same data in double precision (train_nist.R writes it; run that after this).
Run with: python train_nist.py  (needs mpmath for the square roots)
"""
import csv
import os
from fractions import Fraction as F

import mpmath

mpmath.mp.dps = 60
here = os.path.dirname(os.path.abspath(__file__))

longley = """
60323 83 234289 2356 1590 107608 1947
61122 88.5 259426 2325 1456 108632 1948
60171 88.2 258054 3682 1616 109773 1949
61187 89.5 284599 3351 1650 110929 1950
63221 96.2 328975 2099 3099 112075 1951
63639 98.1 346999 1932 3594 113270 1952
64989 99 365385 1870 3547 115094 1953
63761 100 363112 3578 3350 116219 1954
66019 101.2 397469 2904 3048 117388 1955
67857 104.6 419180 2822 2857 118734 1956
68169 108.4 442769 2936 2798 120445 1957
66513 110.8 444546 4681 2637 121950 1958
68655 112.6 482704 3813 2552 123366 1959
69564 114.2 502601 3931 2514 125368 1960
69331 115.7 518173 4806 2572 127852 1961
70551 116.9 554894 4007 2827 130081 1962
"""
errors = [759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048,
          -2048, 1838, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 759]
filip_x = """-6.860120914 -4.324130045 -4.358625055 -4.358426747 -6.955852379 -6.661145254 -6.355462942 -6.118102026
-7.115148017 -6.815308569 -6.519993057 -6.204119983 -5.853871964 -6.109523091 -5.79832982 -5.482672118 -5.171791386
-4.851705903 -4.517126416 -4.143573228 -3.709075441 -3.499489089 -6.300769497 -5.953504836 -5.642065153 -5.031376979
-4.680685696 -4.329846955 -3.928486195 -8.56735134 -8.363211311 -8.107682739 -7.823908741 -7.522878745 -7.218819279
-6.920818754 -6.628932138 -6.323946875 -5.991399828 -8.781464495 -8.663140179 -8.473531488 -8.247337057 -7.971428747
-7.676129393 -7.352812702 -7.072065318 -6.774174009 -6.478861916 -6.159517513 -6.835647144 -6.53165267 -6.224098421
-5.910094889 -5.598599459 -5.290645224 -4.974284616 -4.64454848 -4.290560426 -3.885055584 -3.408378962 -3.13200249
-8.726767166 -8.66695597 -8.511026475 -8.165388579 -7.886056648 -7.588043762 -7.283412422 -6.995678626 -6.691862621
-6.392544977 -6.067374056 -6.684029655 -6.378719832 -6.065855188 -5.752272167 -5.132414673 -4.811352704 -4.098269308
-3.66174277 -3.2644011""".split()
filip_y = """0.8116 0.9072 0.9052 0.9039 0.8053 0.8377 0.8667 0.8809 0.7975 0.8162 0.8515 0.8766 0.8885 0.8859 0.8959 0.8913
0.8959 0.8971 0.9021 0.909 0.9139 0.9199 0.8692 0.8872 0.89 0.891 0.8977 0.9035 0.9078 0.7675 0.7705 0.7713 0.7736 0.7775
0.7841 0.7971 0.8329 0.8641 0.8804 0.7668 0.7633 0.7678 0.7697 0.77 0.7749 0.7796 0.7897 0.8131 0.8498 0.8741 0.8061 0.846
0.8751 0.8856 0.8919 0.8934 0.894 0.8957 0.9047 0.9129 0.9209 0.9219 0.7739 0.7681 0.7665 0.7703 0.7702 0.7761 0.7809
0.7961 0.8253 0.8602 0.8809 0.8301 0.8664 0.8834 0.8898 0.8964 0.8963 0.9074 0.9119 0.9228""".split()


def solve(a, b):
    """Gauss-Jordan elimination of [a | b] with rationals."""
    n = len(a)
    m = [list(row) + list(right) for row, right in zip(a, b)]
    for k in range(n):
        pivot = next(i for i in range(k, n) if m[i][k] != 0)
        m[k], m[pivot] = m[pivot], m[k]
        m[k] = [v / m[k][k] for v in m[k]]
        for i in range(n):
            if i != k and m[i][k] != 0:
                m[i] = [u - m[i][k] * v for u, v in zip(m[i], m[k])]
    return [row[n:] for row in m]


def least_squares(x, y):
    """Coefficients and standard errors of y on the rows of x, which has a 1 first."""
    n, p = len(x), len(x[0])
    xtx = [[sum(r[i] * r[j] for r in x) for j in range(p)] for i in range(p)]
    xty = [[sum(r[i] * v for r, v in zip(x, y))] for i in range(p)]
    unit = [[F(int(i == j)) for j in range(p)] for i in range(p)]
    solution = solve(xtx, [u + v for u, v in zip(xty, unit)])
    b = [s[0] for s in solution]
    rss = sum((v - sum(c * w for c, w in zip(b, r))) ** 2 for r, v in zip(x, y))
    return b, [mpmath.sqrt(to_mp(rss / (n - p) * solution[i][1 + i])) for i in range(p)]


def to_mp(value):
    return mpmath.mpf(value.numerator) / value.denominator


def text(value):
    return mpmath.nstr(value if isinstance(value, mpmath.mpf) else to_mp(value), 17, strip_zeros=False)


def write(name, header, lines):
    with open(os.path.join(here, name), "w", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(header)
        w.writerows(lines)


expected = []


def keep(case, features, x, y):
    b, errors_of_b = least_squares(x, y)
    for name, estimate, error in zip(["(intercept)"] + features, b, errors_of_b):
        expected.append([case, name, text(estimate), text(error)])


rows = [line.split() for line in longley.split("\n") if line]
names = ["deflator", "gnp", "unemployed", "armed_forces", "population", "year"]
write("train_longley.csv", ["employed"] + names, rows)
keep("longley", names, [[F(1)] + [F(v) for v in row[1:]] for row in rows], [F(row[0]) for row in rows])

x = [[F(i) ** k for k in range(6)] for i in range(21)]
y1 = [sum(r) for r in x]
ys = [y1, [sum(v * F(1, 10) ** k for k, v in enumerate(r)) for r in x]] + \
     [[a + e * scale for a, e in zip(y1, errors)] for scale in (1, 100, 10000)]
write("train_wampler.csv", ["x", "y1", "y2", "y3", "y4", "y5"],
      [[i] + [repr(float(y[i])) for y in ys] for i in range(21)])
powers = [f"x{k}" for k in range(1, 11)]
for k, y in enumerate(ys):
    # y2 is not exact in decimal with the 17 digits of a double, but its coefficients are known
    keep(f"wampler{k + 1}", powers[:5], x, y)

write("train_filip.csv", ["x", "y"], list(zip(filip_x, filip_y)))
keep("filip", powers, [[F(v) ** k for k in range(11)] for v in filip_x], [F(v) for v in filip_y])
write("train_nist.csv", ["fit", "feature", "estimate", "std_error"], expected)
