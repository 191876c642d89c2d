# Reference values of fits whose terms nearly determine each other: b is a + size * e, for sizes from 1e-4 to 1e-9.
# Robust errors are those of a fit to e, turned: sandwich's own of b lose as many digits as the condition has.
# Writes tangled.csv and tangled_r.csv.  Run by hand in this directory: Rscript tangled_reference.R (R 4.2.2, sandwich 3.0-2)
library(sandwich)
set.seed(7)
n <- 80
d <- data.frame(no = 1:n, a = round(rnorm(n), 6), e = round(rnorm(n), 6), c = round(rnorm(n), 6), l = sample(c("p", "q", "r"), n, TRUE))
eta <- 0.3 * d$a + 0.4 * d$e - 0.3 * d$c
d$counts <- rpois(n, exp(0.6 + eta))
d$amount <- round(rgamma(n, 3, 3 / exp(0.2 + eta)), 6)
d$class <- as.integer(runif(n) < 1 / (1 + exp(-eta)))
write.csv(format(d, digits = 17, trim = TRUE), "tangled.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("tangled.csv")
exact <- glm.control(epsilon = 1e-14, maxit = 100)
out <- NULL
for (size in c(1e-4, 1e-6, 1e-7, 1e-8, 1e-9)) {
  d$b <- d$a + size * d$e
  for (algorithm in c("linear", "poisson", "gamma", "logistic")) {
    fit <- function(terms) switch(algorithm, linear = lm(reformulate(terms, "amount"), d, tol = 1e-11), poisson = glm(reformulate(terms, "counts"), poisson, d, control = exact),
                gamma = glm(reformulate(terms, "amount"), Gamma("log"), d, control = exact), logistic = glm(reformulate(terms, "class"), binomial, d, control = exact))
    m <- fit(c("a", "b", "c", "l"))
    turn <- diag(6)
    turn[2:3, 3] <- c(-1, 1) / size
    robust <- turn %*% vcovHC(fit(c("a", "e", "c", "l")), "HC3") %*% t(turn)
    s <- summary(m)$coefficients
    feature <- sub("^l([pqr])$", "l=\\1", sub("(Intercept)", "(intercept)", rownames(s), fixed = TRUE))
    out <- rbind(out, data.frame(size = size, algorithm = algorithm, feature = feature, estimate = s[, 1], std_error = s[, 2], hc3 = sqrt(diag(robust))))
  }
}
write.csv(format(out, digits = 17, trim = TRUE), "tangled_r.csv", row.names = FALSE, quote = FALSE)
