# What R's lm and glm say of standard errors, statistics, p-values and fit: train_r.csv, train_r_facts.csv, and the data
# sets that come with R: train_iris.csv (a factor), train_infert.csv (two classes that are not separable, a factor),
# train_mtcars.csv (weights).  Run with: Rscript train_reference.R  (made with R 4.2.2)
options(digits = 17)
folder <- function() {
  file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
  if (length(file)) dirname(normalizePath(file)) else "."
}
here <- folder()
put <- function(data, name) write.csv(data, file.path(here, name), row.names = FALSE, quote = FALSE)
text <- function(x) ifelse(is.na(x), "", formatC(x, digits = 17, format = "g", width = 1))
# glm's own standard errors are those of the weights one iteration before its coefficients; these are of the same.
at_last_coefficients <- function(model) {
  table <- coef(summary(model))
  x <- model.matrix(model)
  mu <- fitted(model)
  table[, 2] <- sqrt(diag(solve(crossprod(x, x * (model$prior.weights * mu * (1 - mu))))))
  table[, 3] <- table[, 1] / table[, 2]
  table[, 4] <- 2 * pnorm(-abs(table[, 3]))
  table
}
coefficients_of <- function(case, model) {
  table <- if (inherits(model, "glm")) at_last_coefficients(model) else coef(summary(model))
  names <- rownames(table)
  names[names == "(Intercept)"] <- "(intercept)"
  names <- sub("^Species", "species=", names)
  names <- sub("^education", "education=", names)
  data.frame(fit = case, feature = names, estimate = text(table[, 1]), std_error = text(table[, 2]),
             statistic = text(table[, 3]), p_value = text(table[, 4]))
}
fact <- function(case, name, value) data.frame(fit = case, name = name, value = text(value))
lm_facts <- function(case, model) {
  s <- summary(model)
  f <- s$fstatistic
  rbind(fact(case, "train_r2", s$r.squared), fact(case, "train_adjusted_r2", s$adj.r.squared), fact(case, "sigma", s$sigma),
        fact(case, "df_residual", model$df.residual), fact(case, "f_statistic", f[[1]]),
        fact(case, "f_p_value", pf(f[[1]], f[[2]], f[[3]], lower.tail = FALSE)))
}

diabetes <- read.csv(file.path(here, "train_diabetes.csv"))
linear <- lm(progression ~ ., diabetes)

iris2 <- iris
names(iris2) <- c("sepal_length", "sepal_width", "petal_length", "petal_width", "species")
put(iris2, "train_iris.csv")
names(iris2)[5] <- "Species"
factor_fit <- lm(sepal_length ~ ., iris2)

cars <- mtcars[, c("mpg", "wt", "hp", "qsec", "cyl")]
put(cars, "train_mtcars.csv")
weighted <- lm(mpg ~ wt + hp + qsec, cars, weights = cyl)
through_origin <- lm(mpg ~ wt + hp + qsec - 1, cars)

infert2 <- infert[, c("education", "age", "parity", "induced", "spontaneous", "case")]
infert2$education <- factor(as.character(infert2$education), levels = sort(levels(infert2$education), method = "radix"))
put(infert2, "train_infert.csv")
control <- glm.control(epsilon = 1e-15, maxit = 100)
logistic <- glm(case ~ ., binomial, infert2, control = control)
logistic_weighted <- suppressWarnings(glm(case ~ age + parity + spontaneous, binomial, infert2, weights = 1 + age %% 3,
                                          control = control))

write.csv(rbind(coefficients_of("diabetes", linear), coefficients_of("iris", factor_fit),
                coefficients_of("mtcars weighted", weighted), coefficients_of("mtcars origin", through_origin),
                coefficients_of("infert", logistic), coefficients_of("infert weighted", logistic_weighted)),
          file.path(here, "train_r.csv"), row.names = FALSE, quote = FALSE, na = "")
write.csv(rbind(lm_facts("diabetes", linear), lm_facts("iris", factor_fit), lm_facts("mtcars weighted", weighted),
                fact("diabetes", "aic", AIC(linear)), fact("diabetes", "bic", BIC(linear)),
                fact("infert", "deviance", deviance(logistic)), fact("infert", "null_deviance", logistic$null.deviance),
                fact("infert", "aic", AIC(logistic)), fact("infert", "bic", BIC(logistic)),
                fact("infert", "df_residual", logistic$df.residual)),
          file.path(here, "train_r_facts.csv"), row.names = FALSE, quote = FALSE)

# The distributions: src/ml/ml_dist.c against R.
t <- c(0, 1e-10, 0.1, 0.5, 1, 2, 3, 5, 10, 30, 100)
df <- c(1, 2, 3, 10, 431, 1e4, 1e6, 1e9)
g <- expand.grid(x = t, df = df)
g2 <- expand.grid(x = t[-1], i = seq_along(df))
q <- c(1e-300, 1e-100, 1e-20, 1e-10, 1e-5, 1e-3, 0.01, 0.02, 0.03, 0.1, 0.25, 0.5, 0.6, 0.9, 0.975, 0.999)
write.csv(rbind(
  data.frame(what = "t", x = text(g$x), df1 = text(g$df), df2 = "0", value = text(2 * pt(-g$x, g$df))),
  data.frame(what = "f", x = text(g2$x), df1 = text(df[g2$i]), df2 = text(rev(df)[g2$i]),
             value = text(pf(g2$x, df[g2$i], rev(df)[g2$i], lower.tail = FALSE))),
  data.frame(what = "chi2", x = text(g2$x * df[g2$i] / 2), df1 = text(df[g2$i]), df2 = "0",
             value = text(pchisq(g2$x * df[g2$i] / 2, df[g2$i], lower.tail = FALSE))),
  data.frame(what = "normal", x = text(t), df1 = "0", df2 = "0", value = text(2 * pnorm(-t))),
  data.frame(what = "quantile", x = text(q), df1 = "0", df2 = "0", value = text(qnorm(q)))),
  file.path(here, "ml_dist.csv"), row.names = FALSE, quote = FALSE)
