# Weighted least squares by R: summary(), logLik(), AIC(), BIC(), confint(), and the errors of sandwich: weighted_r.csv.
# Run with: Rscript weighted_reference.R  (made with R 4.2.2, sandwich 3.0).  Rows of weight 0 are left out for the residuals and for
# sandwich 3.0, whose HC2 and HC3 mix up rows where there are some; lm() itself gets them.
library(sandwich)
file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
here <- if (length(file)) dirname(normalizePath(file)) else "."
get <- function(name) read.csv(file.path(here, name))
text <- function(x) formatC(x, digits = 17, format = "g", width = 1)
cars <- get("train_mtcars.csv")
cars$w <- cars$qsec / 3
cars$w0 <- ifelse(seq_len(nrow(cars)) %in% c(3, 10, 20), 0, cars$w)
cars$mean1 <- cars$w / mean(cars$w)
longley <- get("train_longley.csv")
longley$w <- seq_len(nrow(longley)) / 4
fits <- list(
  cars = list(mpg ~ wt + hp, cars, "w"), cars0 = list(mpg ~ wt + hp, cars, "w0"), cars1 = list(mpg ~ wt + hp, cars, "mean1"),
  origin = list(mpg ~ 0 + wt + hp, cars, "w"), longley = list(employed ~ deflator + gnp + unemployed + armed_forces + population + year, longley, "w"))
out <- NULL
for (fit in names(fits)) {
  data <- fits[[fit]][[2]]
  data$weight <- data[[fits[[fit]][[3]]]]
  m <- lm(fits[[fit]][[1]], data, weights = weight)
  n <- lm(fits[[fit]][[1]], data[data$weight > 0, ], weights = weight)
  s <- summary(m)
  add <- function(what, values, feature = "") out <<- rbind(out, data.frame(fit = fit, what = what, feature = feature, value = text(unname(values))))
  add("sigma", s$sigma)
  add("r2", s$r.squared)
  add("adjusted_r2", s$adj.r.squared)
  add("f_statistic", s$fstatistic[1])
  add("f_p_value", pf(s$fstatistic[1], s$fstatistic[2], s$fstatistic[3], lower.tail = FALSE))
  add("df_residual", m$df.residual)
  add("log_likelihood", as.numeric(logLik(m)))
  add("aic", AIC(m))
  add("bic", BIC(m))
  add(paste0("residual ", 1:5), quantile(resid(summary(n))))
  names <- sub("(Intercept)", "(intercept)", names(coef(m)), fixed = TRUE)
  add("estimate", coef(s)[, 1], names)
  add("std_error", coef(s)[, 2], names)
  add("statistic", coef(s)[, 3], names)
  add("p_value", coef(s)[, 4], names)
  add("lower", confint(m)[, 1], names)
  add("upper", confint(m)[, 2], names)
  for (kind in c("HC0", "HC1", "HC2", "HC3")) add(kind, sqrt(diag(vcovHC(n, type = kind))), names)
  if (fit != "longley") add("cluster", sqrt(diag(vcovCL(n, cluster = data$cyl[data$weight > 0], type = "HC1"))), names)
}
write.csv(out, file.path(here, "weighted_r.csv"), row.names = FALSE, quote = FALSE)
