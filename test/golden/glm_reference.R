# What R's glm says of two of its data sets: glm_r.csv, glm_r_facts.csv, and the data: glm_warpbreaks.csv (breaks of yarn), glm_trees.csv.
# Run with: Rscript glm_reference.R  (made with R 4.2.2)
options(digits = 17)
file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
here <- if (length(file)) dirname(normalizePath(file)) else "."
put <- function(data, name) write.csv(data, file.path(here, name), row.names = FALSE, quote = FALSE)
text <- function(x) ifelse(is.na(x), "", formatC(x, digits = 17, format = "g", width = 1))
put(warpbreaks, "glm_warpbreaks.csv")
put(trees, "glm_trees.csv")
warpbreaks$tension <- factor(as.character(warpbreaks$tension))  # categories in the order of their letters
warpbreaks$w <- 1 + (seq_len(nrow(warpbreaks)) - 1) %% 3
trees$w <- 1 + (seq_len(nrow(trees)) - 1) %% 3
fits <- list(
  list("glm_warpbreaks", "poisson", "log", 1, FALSE, poisson()),
  list("glm_warpbreaks", "poisson", "sqrt", 1, FALSE, poisson("sqrt")),
  list("glm_warpbreaks", "poisson", "identity", 1, FALSE, poisson("identity")),
  list("glm_warpbreaks", "poisson", "log", 1, TRUE, poisson()),
  list("glm_trees", "gamma", "log", 2, FALSE, Gamma("log")),
  list("glm_trees", "gamma", "inverse", 2, FALSE, Gamma()),
  list("glm_trees", "gamma", "identity", 2, FALSE, Gamma("identity")),
  list("glm_trees", "gamma", "log", 2, TRUE, Gamma("log")),
  list("glm_warpbreaks", "tweedie", "inverse_squared", 3, FALSE, inverse.gaussian()),
  list("glm_trees", "tweedie", "log", 3, TRUE, inverse.gaussian("log")),
  list("glm_trees", "tweedie", "log", 0, FALSE, gaussian("log")),
  list("glm_trees", "tweedie", "auto", 0, TRUE, gaussian())
)
coefficients <- NULL
facts <- NULL
for (no in seq_along(fits)) {
  f <- fits[[no]]
  data <- if (f[[1]] == "glm_trees") trees else warpbreaks
  data$weight <- if (f[[5]]) data$w else 1
  formula <- if (f[[1]] == "glm_trees") Volume ~ Girth + Height else breaks ~ wool + tension
  # R finds no valid start for some links by itself.
  near <- fitted(glm(formula, quasi("log", variance = "mu"), data))
  model <- glm(formula, f[[6]], data, weights = weight, control = glm.control(epsilon = 1e-15, maxit = 200), mustart = near)
  s <- summary(model)
  names <- rownames(s$coefficients)
  names[names == "(Intercept)"] <- "(intercept)"
  names <- sub("^wool", "wool=", sub("^tension", "tension=", names))
  case <- data.frame(no = no, data = f[[1]], algorithm = f[[2]], link = f[[3]], power = f[[4]], weighted = tolower(f[[5]]))
  coefficients <- rbind(coefficients, cbind(case, data.frame(feature = names, estimate = text(s$coefficients[, 1]), std_error = text(s$coefficients[, 2]),
    statistic = text(s$coefficients[, 3]), p_value = text(s$coefficients[, 4])), row.names = NULL))
  k <- attr(logLik(model), "df")
  facts <- rbind(facts, cbind(case, data.frame(name = c("deviance", "null_deviance", "df_residual", "df_null", "dispersion", "aic", "bic"),
    value = text(c(model$deviance, model$null.deviance, model$df.residual, model$df.null, s$dispersion, model$aic, BIC(model)))), row.names = NULL))
}
put(coefficients, "glm_r.csv")
put(facts, "glm_r_facts.csv")
