# How many digits of the coefficients and standard errors R's lm gets right on the problems of train_nist.py:
# train_nist_digits.csv (fit, estimate, std_error), the least over the coefficients, at most 15.  Tolerance 1e-10, because
# with its default lm finds the columns of filip dependent.
# Run with: Rscript train_nist.R  (made with R 4.2.2)
here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))))
read <- function(name) read.csv(file.path(here, name))
expected <- read("train_nist.csv")
digits_of <- function(got, right) {
  error <- ifelse(right == 0, abs(got), abs(got - right) / abs(right))
  min(pmin(15, -log10(pmax(error, 1e-15))))
}
powers <- function(x, y, n) {
  data <- as.data.frame(sapply(1:n, function(k) x^k))
  names(data) <- paste0("x", 1:n)
  cbind(data, y = y)
}
score <- function(case, formula, data) {
  table <- suppressWarnings(coef(summary(lm(formula, data, tol = 1e-10))))
  right <- expected[expected$fit == case, ]
  data.frame(fit = case, estimate = digits_of(table[, 1], right$estimate), std_error = digits_of(table[, 2], right$std_error))
}
wampler <- read("train_wampler.csv")
filip <- read("train_filip.csv")
digits <- rbind(score("longley", employed ~ ., read("train_longley.csv")),
                do.call(rbind, lapply(1:5, function(k) score(paste0("wampler", k), y ~ ., powers(wampler$x, wampler[[k + 1]], 5)))),
                score("filip", y ~ ., powers(filip$x, filip$y, 10)))
digits$estimate <- round(digits$estimate, 1)
digits$std_error <- round(digits$std_error, 1)
write.csv(digits, file.path(here, "train_nist_digits.csv"), row.names = FALSE, quote = FALSE)
