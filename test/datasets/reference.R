# A fit by R, as lines part,name,value:   Rscript reference.R data.csv lm|glm FORMULA [FAMILY]
# Text columns are factors whose levels are in the order of their bytes (LC_ALL=C), as in medallion.
arguments <- commandArgs(TRUE)
frame <- read.csv(arguments[1], stringsAsFactors = TRUE, check.names = FALSE)
formula <- as.formula(arguments[3])
if (arguments[2] == "lm") {
  fit <- lm(formula, frame)
} else {
  if (grepl("tweedie", arguments[4])) library(statmod)
  fit <- glm(formula, family = eval(parse(text = arguments[4])), frame, control = glm.control(epsilon = 1e-300, maxit = 300))
}
s <- summary(fit)
table <- coef(s)
show <- function(part, values, names = "") cat(sprintf("%s,\"%s\",%.17g\n", part, names, values), sep = "")
# What medallion calls column=level R calls columnlevel.
names <- rownames(table)
for (column in names(Filter(is.factor, frame))) {
  for (level in levels(frame[[column]])) names[names == paste0(column, level)] <- paste0(column, "=", level)
}
names[names == "(Intercept)"] <- "(intercept)"
show("estimate", table[, 1], names)
show("std_error", table[, 2], names)
show("statistic", table[, 3], names)
show("p_value", table[, 4], names)
if (arguments[2] == "lm") {
  show("r_squared", s$r.squared); show("adjusted", s$adj.r.squared); show("sigma", s$sigma); show("f", s$fstatistic[1])
} else {
  show("deviance", fit$deviance); show("null_deviance", fit$null.deviance); show("dispersion", s$dispersion)
}
if (is.finite(AIC(fit))) { show("aic", AIC(fit)); show("bic", BIC(fit)) }
