# Robust and clustered standard errors by R's sandwich, confidence intervals, variance inflation factors, and what summary() prints:
# inference_r.csv, inference_lines.csv.  Run with: Rscript inference_reference.R  (made with R 4.2.2, sandwich 3.0)
library(sandwich)
options(digits = 7, width = 200, useFancyQuotes = FALSE)
file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
here <- if (length(file)) dirname(normalizePath(file)) else "."
get <- function(name) read.csv(file.path(here, name), stringsAsFactors = TRUE)
text <- function(x) formatC(x, digits = 17, format = "g", width = 1)
mtcars <- get("train_mtcars.csv")
infert <- get("train_infert.csv")
warpbreaks <- get("glm_warpbreaks.csv")
trees <- get("glm_trees.csv")
trees$tall <- trees$Height %/% 4
number <- function(data) { data$no <- seq_len(nrow(data)); data$w <- 1 + (data$no - 1) %% 3; data }
mtcars <- number(mtcars); infert <- number(infert); warpbreaks <- number(warpbreaks); trees <- number(trees)
control <- glm.control(epsilon = 1e-15, maxit = 100)
fits <- list(
  linear = list(lm(mpg ~ wt + hp + qsec, mtcars), mtcars$cyl),
  linear_weighted = list(lm(mpg ~ wt + hp + qsec, mtcars, weights = w), mtcars$cyl),
  linear_origin = list(lm(mpg ~ 0 + wt + qsec, mtcars), mtcars$cyl),
  logistic = list(glm(case ~ education + age + parity + induced + spontaneous, binomial, infert, control = control), infert$no %/% 5),
  poisson = list(glm(breaks ~ wool + tension, poisson, warpbreaks, control = control), warpbreaks$no %/% 7),
  poisson_sqrt = list(glm(breaks ~ wool + tension, poisson("sqrt"), warpbreaks, weights = w, control = control), warpbreaks$no %/% 7),
  gamma = list(glm(Volume ~ Girth + Height, Gamma("log"), trees, control = control), trees$tall),
  tweedie = list(glm(Volume ~ Girth + Height, inverse.gaussian("log"), trees, weights = w, control = control), trees$tall)
)
rename <- function(names) sub("^education", "education=", sub("^wool", "wool=", sub("^tension", "tension=", sub("(Intercept)", "(intercept)", names, fixed = TRUE))))
out <- NULL
lines <- NULL
for (fit in names(fits)) {
  m <- fits[[fit]][[1]]
  cluster <- fits[[fit]][[2]]
  add <- function(what, values) out <<- rbind(out, data.frame(fit = fit, what = what, feature = rename(names(coef(m))), value = text(values)))
  for (kind in c("HC0", "HC1", "HC2", "HC3")) add(kind, sqrt(diag(vcovHC(m, type = kind))))
  # With vcovCL's small sample factor.
  add("cluster", sqrt(diag(vcovCL(m, cluster = cluster, type = "HC1"))))
  z <- fit %in% c("logistic", "poisson", "poisson_sqrt")
  reach <- if (z) qnorm(0.95) else qt(0.95, m$df.residual)
  se <- sqrt(diag(vcov(m)))
  add("lower", coef(m) - reach * se)
  add("upper", coef(m) + reach * se)
  x <- model.matrix(m)
  if (fit == "linear") {
    r <- cor(x[, -1])
    add("vif", c(NA, diag(solve(r))))
    e <- eigen(r)$values
    out <- rbind(out, data.frame(fit = fit, what = "condition_number", feature = "", value = text(sqrt(max(e) / min(e)))))
  }
  printed <- capture.output(print(summary(m)))
  printed <- sub("[ ]+$", "", rename(gsub("‘|’", "'", printed)))
  from <- grep("^Coefficients", printed)
  keep <- printed[c(from - 3, from - 2, (from + 1):length(printed))]
  keep <- keep[keep != "" & !grepl("Number of Fisher|^Signif|^ +Estimate", keep)]
  keep <- sub("Gamma family", "gamma family", sub("inverse.gaussian family", "tweedie family", keep))
  lines <- rbind(lines, data.frame(fit = fit, line = keep))
}
write.csv(out, file.path(here, "inference_r.csv"), row.names = FALSE, quote = FALSE)
write.csv(lines, file.path(here, "inference_lines.csv"), row.names = FALSE)
