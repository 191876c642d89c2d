# Offsets and exposures by R's glm: offset_r.csv, offset_r_facts.csv, offset_r_rows.csv (predictions, residuals are theirs), and the data offset_insurance.csv
# (claims of car insurance, MASS::Insurance).  Run with: Rscript offset_reference.R  (made with R 4.2.2, MASS 7.3-58, statmod 1.5, sandwich 3.0)
library(statmod)
library(sandwich)
file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
here <- if (length(file)) dirname(normalizePath(file)) else "."
put <- function(data, name) write.csv(data, file.path(here, name), row.names = FALSE, quote = FALSE)
text <- function(x) ifelse(is.na(x), "", formatC(x, digits = 17, format = "g", width = 1))
plain <- function(x) factor(as.character(x), levels = sort(unique(as.character(x)), method = "radix"))  # in the order of their bytes, contrasts to the first
insurance <- data.frame(no = seq_len(nrow(MASS::Insurance)), lapply(MASS::Insurance[c("District", "Group", "Age")], plain), MASS::Insurance[c("Holders", "Claims")])
names(insurance) <- c("no", "district", "engine", "age", "holders", "claims")
put(insurance, "offset_insurance.csv")
insurance$w <- 1 + (insurance$no - 1) %% 3
insurance$lo <- log(insurance$holders)
insurance$half <- insurance$no %% 7 / 16  # a second offset
insurance$cost <- insurance$claims * 1.5 + insurance$no %% 5 + 1  # above 0
insurance$large <- insurance$claims > 0.15 * insurance$holders
f <- claims ~ district + engine + age
# R finds no valid start for some links by itself.
near <- fitted(glm(f, poisson, insurance, offset = lo))
fits <- list(
  list("poisson", '{"offset": "lo"}', "claims", glm(f, poisson, insurance, offset = lo)),
  list("poisson", '{"exposure": "holders"}', "claims", glm(f, poisson, insurance, offset = lo)),
  list("poisson", '{"exposure": "holders"}', "claims", glm(f, poisson, insurance, offset = lo, weights = w)),
  list("poisson", '{"exposure": "holders", "offset": "half"}', "claims", glm(f, poisson, insurance, offset = lo + half)),
  list("poisson", '{"exposure": "holders", "fit_intercept": false}', "claims", glm(claims ~ 0 + half + w, poisson, insurance, offset = lo)),
  list("poisson", '{"offset": "half", "link": "identity"}', "claims", glm(claims ~ holders, poisson("identity"), insurance, offset = half, mustart = near)),
  list("poisson", '{"offset": "half", "link": "sqrt"}', "claims", glm(claims ~ holders + age, poisson("sqrt"), insurance, offset = half, mustart = near)),
  list("gamma", '{"exposure": "holders"}', "cost", glm(cost ~ district + engine + age, Gamma("log"), insurance, offset = lo)),
  list("gamma", '{"exposure": "holders"}', "cost", glm(cost ~ district + engine + age, Gamma("log"), insurance, offset = lo, weights = w)),
  list("tweedie", '{"exposure": "holders", "power": 1.5}', "claims", glm(f, tweedie(1.5, 0), insurance, offset = lo)),
  list("tweedie", '{"exposure": "holders", "power": 1.2}', "claims", glm(f, tweedie(1.2, 0), insurance, offset = lo, weights = w)),
  list("tweedie", '{"offset": "half", "power": 0}', "claims", glm(claims ~ holders + age, gaussian, insurance, offset = half)),
  list("logistic", '{"offset": "half", "penalty": "none"}', "large", glm(large ~ district + holders, binomial, insurance, offset = half)),
  list("logistic", '{"offset": "half", "penalty": "none"}', "large", glm(large ~ holders, quasibinomial, insurance, offset = half, weights = w))
)
rename <- function(n) sub("^(district|engine|age)(?=.)", "\\1=", sub("(Intercept)", "(intercept)", n, fixed = TRUE), perl = TRUE)
coefficients <- facts <- rows <- NULL
for (no in seq_along(fits)) {
  m <- fits[[no]][[4]]
  m <- update(m, control = glm.control(epsilon = 1e-15, maxit = 200))
  algorithm <- fits[[no]][[1]]
  weighted <- tolower(!is.null(m$call$weights))
  features <- paste(attr(terms(m), "term.labels"), collapse = " ")
  s <- if (algorithm == "logistic") summary(m, dispersion = 1) else summary(m)
  case <- data.frame(no = no, algorithm = algorithm, params = paste0('"', gsub('"', '""', fits[[no]][[2]]), '"'), target = fits[[no]][[3]], features = features, weighted = weighted)
  t <- s$coefficients
  p <- if (algorithm %in% c("poisson", "logistic")) 2 * pnorm(-abs(t[, 3])) else t[, 4]
  hc <- sqrt(diag(vcovHC(m, type = "HC3")))
  cl <- sqrt(diag(vcovCL(m, cluster = insurance$no %/% 5, type = "HC1")))
  coefficients <- rbind(coefficients, cbind(case, data.frame(feature = rename(rownames(t)), estimate = text(t[, 1]), std_error = text(t[, 2]), p_value = text(p), hc3 = text(hc), clustered = text(cl)), row.names = NULL))
  aic <- if (algorithm == "tweedie" && grepl("1\\.", fits[[no]][[2]])) NA else if (algorithm == "logistic") m$deviance + 2 * length(coef(m)) else m$aic
  # Quasi-binomial has no likelihood of its own: the binomial's with weights.
  facts <- rbind(facts, data.frame(no = no, name = c("deviance", "null_deviance", "df_residual", "df_null", "aic", if (algorithm == "logistic") NULL else "dispersion"),
    value = text(c(m$deviance, m$null.deviance, m$df.residual, m$df.null, aic, if (algorithm == "logistic") NULL else s$dispersion))))
  rows <- rbind(rows, data.frame(no = no, row = insurance$no, prediction = text(predict(m, insurance, type = "response"))))
}
put(coefficients, "offset_r.csv")
put(facts[facts$value != "", ], "offset_r_facts.csv")
put(rows, "offset_r_rows.csv")
