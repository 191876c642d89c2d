# Quantile regression of many rows, and standard errors, by R's quantreg: quantile_expected.csv.
# Run with: Rscript quantile_reference.R  (made with R 4.2.2, quantreg 5.94)
suppressMessages(library(quantreg))
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
i <- 1:30000
x1 <- (i * 7919) %% 10007 / 1000
x2 <- (i * 104729) %% 7919 / 1000
x3 <- i %% 3
noise <- (i * 48271) %% 65537 / 65537
y <- 1 + x1 - x2 / 2 + x3 + (1 + x1 / 5) * (20 * noise^3 - 5)
out <- NULL
add <- function(no, quantile, whole, feature, value)
  out <<- rbind(out, data.frame(no, quantile, whole, feature, value = sprintf("%.17g", value)))
no <- 0
for (whole in c(FALSE, TRUE)) for (quantile in c(0.5, 0.05, 0.9)) {
  no <- no + 1
  target <- if (whole) round(y) else y
  fit <- rq(target ~ x1 + x2 + x3, tau = quantile, method = "br")
  r <- residuals(fit)
  add(no, quantile, whole, "objective", mean(r * (quantile - (r < 0))))
  # Whole targets: many rows lie on the plane, and where it lies is not certain.
  if (!whole) for (k in 1:4)
    add(no, quantile, whole, c("(intercept)", "x1", "x2", "x3")[k], coef(fit)[k])
}
# Standard errors by Powell's sandwich, of the rows and of mtcars.
add_errors <- function(fit, quantile, names) {
  no <<- no + 1
  table <- suppressWarnings(summary(fit, se = "ker"))$coefficients
  for (k in seq_along(names)) {
    add(no, quantile, FALSE, names[k], table[k, 1])
    add(no, quantile, FALSE, paste(names[k], "error"), table[k, 2])
    add(no, quantile, FALSE, paste(names[k], "p"), table[k, 4])
  }
}
for (quantile in c(0.5, 0.9)) add_errors(rq(y ~ x1 + x2 + x3, tau = quantile, method = "br"), quantile, c("(intercept)", "x1", "x2", "x3"))
cars <- read.csv(file.path(here, "train_mtcars.csv"))
for (quantile in c(0.5, 0.25)) add_errors(rq(mpg ~ wt + hp + qsec, data = cars, tau = quantile, method = "br"), quantile, c("(intercept)", "wt", "hp", "qsec"))
# The same with weights: quantreg multiplies rows and targets by them.
cars$w <- 1 + (seq_len(nrow(cars)) - 1) %% 3
for (quantile in c(0.5, 0.25)) add_errors(rq(mpg ~ wt + hp + qsec, data = cars, tau = quantile, method = "br", weights = w), quantile, c("(intercept)", "wt", "hp", "qsec"))
w <- 1 + i %% 7 / 4
add_errors(rq(y ~ x1 + x2 + x3, tau = 0.9, method = "br", weights = w), 0.9, c("(intercept)", "x1", "x2", "x3"))
write.csv(out, file.path(here, "quantile_expected.csv"), row.names = FALSE, quote = FALSE)
